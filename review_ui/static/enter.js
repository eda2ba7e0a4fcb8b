import { post } from "./api.js";
import { waiting } from "./outbox.js";
import { $ } from "./ui.js";

const names = waiting();
if (names.length) $("waiting").textContent = `Answers of ${names.join(" and ")} wait in this browser: they are sent when their reviewer signs in.`;

$("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(event.target);
  const body = { name: fields.get("name").trim() };
  if (fields.has("token")) body.token = fields.get("token").trim();
  try {
    if (!body.name) throw new Error("enter a name");
    await post("/api/session", body);
    location.assign("/");
  } catch (problem) {
    $("problem").textContent = problem.message;
    $("name").focus();
  }
});
