// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0
(() => {
  "use strict";
  const status = document.getElementById("live-status");
  const hold = document.getElementById("live-hold");
  const source = new EventSource("/events");
  let state = null; // the newest that the server told of
  let shown = -1;   // the version on the page
  let held = false, busy = false;

  // parts are what a reader may have opened, scrolled or put in focus, by names that
  // the next version of the page gives them, too.
  const parts = root => {
    const found = new Map();
    for (const e of root.querySelectorAll("details, summary, [tabindex], a[href]")) {
      const near = e.closest("section[id], [aria-label]");
      const name = [e.tagName, near ? near.id || near.getAttribute("aria-label") : "",
        e.getAttribute("aria-label") || (e.querySelector("summary") || e).textContent.slice(0, 80)].join("|");
      let n = 0;
      while (found.has(name + "|" + n)) n++;
      found.set(name + "|" + n, e);
    }
    return found;
  };

  const swap = next => {
    const before = document.querySelector("main"), after = document.adoptNode(next.querySelector("main"));
    const old = parts(before), focus = document.activeElement, x = scrollX, y = scrollY;
    const aside = new Map();
    let focused = null;
    for (const [name, e] of old) {
      aside.set(name, [e.scrollLeft, e.scrollTop]);
      if (e === focus) focused = name;
    }
    before.replaceWith(after);
    for (const [name, e] of parts(after)) {
      const was = old.get(name);
      if (!was) continue;
      if (e.tagName === "DETAILS") e.open = was.open;
      [e.scrollLeft, e.scrollTop] = aside.get(name);
      if (name === focused) e.focus({preventScroll: true});
    }
    document.title = next.title;
    scrollTo({left: x, top: y, behavior: "instant"});
  };

  const say = text => { if (status.textContent !== text) status.textContent = text; };

  const tell = () => {
    if (state.final && shown === state.version) say("The run has ended: this is its report.");
    else if (held) say("Paused.");
    else say(state.note || "The page follows the run.");
  };

  const update = async () => {
    if (busy || state === null) return;
    busy = true;
    try {
      while (shown !== state.version && !(held && !state.final)) {
        const version = state.version;
        const answer = await fetch("/", {cache: "no-store"});
        if (!answer.ok) throw new Error("the server answers " + answer.status);
        swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
        shown = version;
        document.documentElement.dataset.version = version;
      }
      if (state.final) {
        source.close();
        hold.hidden = true;
      }
      tell();
    } catch (problem) {
      say("The page could not be fetched: " + problem.message + ".");
    } finally {
      busy = false;
    }
  };

  source.addEventListener("state", e => {
    state = JSON.parse(e.data);
    update();
  });
  source.addEventListener("error", () => say("The connection is lost; trying again."));
  hold.addEventListener("click", () => {
    held = !held;
    hold.setAttribute("aria-pressed", String(held));
    if (state !== null) tell();
    update();
  });
})();
