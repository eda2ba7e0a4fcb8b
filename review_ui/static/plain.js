import { setUp } from "./ui.js";
setUp();
