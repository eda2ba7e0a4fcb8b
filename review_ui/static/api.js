// Requests to the server. A response that is not a success is thrown as a Problem with the error message of the server.

export class Problem extends Error {
  constructor(status, sentence) { super(sentence); this.status = status; }
}

export async function call(method, path, body, { keepalive = false } = {}) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  // Another user may have signed in in another tab, whose cookie this page would send.
  const { name } = document.body.dataset;
  if (name) headers["X-Reviewer"] = encodeURIComponent(name);
  let response;
  try {
    const signal = keepalive ? undefined : AbortSignal.timeout(20000);
    response = await fetch(path, { method, headers, keepalive, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem(0, "the server cannot be reached");
  }
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new Problem(response.status, answer?.error ?? `the server answered ${response.status}`);
  return answer;
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);

// getRandomValues instead of crypto.randomUUID, which browsers offer only on https and localhost.
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function query(values) {
  const set = Object.entries(values).filter(([, value]) => value);
  return new URLSearchParams(set).toString();
}
