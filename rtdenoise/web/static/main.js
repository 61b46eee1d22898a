// Views, appearance and keys.

import { bindTheme } from "./colours.js";
import { $, about, complain } from "./dom.js";
import * as file from "./file-view.js";
import * as live from "./live-view.js";

history.replaceState(null, "", location.pathname + location.hash); // the token has done its work

const views = { file, live };
let current = "file";

function open(name) {
  current = name;
  for (const each of Object.keys(views)) {
    const tab = $(`tab-${each}`);
    tab.setAttribute("aria-selected", String(each === name));
    tab.tabIndex = each === name ? 0 : -1;
    $(`view-${each}`).hidden = each !== name;
  }
  complain("");
  history.replaceState(null, "", name === "file" ? location.pathname : `#${name}`);
  views[name].shown();
}

for (const name of Object.keys(views)) {
  $(`tab-${name}`).addEventListener("click", () => open(name));
  $(`tab-${name}`).addEventListener("keydown", ({ key }) => {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    open(name === "file" ? "live" : "file");
    $(`tab-${current}`).focus();
  });
}

// Keys of a view, except where they mean something to what has the focus.
addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = event.target;
  const arrows = event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End";
  if (at.matches("select") || (arrows && at.matches('[role="tab"], input'))) return;
  if (event.key === " " && at.matches('button, a, label, input:not([type="radio"], [type="range"])')) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (views[current].press(key)) event.preventDefault();
});

bindTheme($("theme"));
file.start();
live.start();
about.then(({ models }) => {
  for (const select of [$("model"), $("live-model")]) {
    select.replaceChildren(...models.map(({ name, latency_ms: late }) => new Option(`${name}, ${Math.round(late)} ms`, name)));
    select.value = "stream";
  }
}).catch((error) => complain(error.message));
if (location.hash === "#live") open("live");
