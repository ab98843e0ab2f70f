"use strict";
// Asks whether the run has gone on and puts the new <main> in place of the old; the reader's place stays.
(() => {
  const PAUSE_MS = 1500;
  const BUILDS_PER_PAUSE = 4;
  const live = document.getElementById("live");
  let state = live.dataset.state;
  const say = (words, well) => {
    if (live.textContent !== words) live.textContent = words;
    live.classList.toggle("lost", !well);
  };
  const keep = () => ({
    open: new Map([...document.querySelectorAll("details[data-key]")].map((one) => [one.dataset.key, one.open])),
    inputs: [...document.querySelectorAll("main input")].map((one) => [one.id, one.checked, one.value]),
    focus: document.activeElement && document.activeElement.id,
    summary: document.activeElement && document.activeElement.matches("summary")
      && document.activeElement.parentElement.dataset.key,
    caret: document.activeElement && document.activeElement.type === "search" && document.activeElement.selectionStart,
    scroll: [window.scrollX, window.scrollY],
  });
  const restore = (kept) => {
    for (const one of document.querySelectorAll("details[data-key]")) {
      if (kept.open.has(one.dataset.key)) one.open = kept.open.get(one.dataset.key);
    }
    for (const [id, checked, value] of kept.inputs) {
      const input = document.getElementById(id);
      if (input && input.type === "radio") input.checked = checked;
      else if (input) input.value = value;
    }
    document.dispatchEvent(new Event("swapped"));
    const focused = kept.summary
      ? [...document.querySelectorAll("details[data-key]")].find((one) => one.dataset.key === kept.summary)
      : null;
    const target = focused ? focused.querySelector("summary") : kept.focus && document.getElementById(kept.focus);
    if (target) target.focus({ preventScroll: true });
    if (target && typeof kept.caret === "number") target.setSelectionRange(kept.caret, kept.caret);
    window.scrollTo(...kept.scroll);
  };
  const ask = async (path) => {
    const answer = await fetch(path, { cache: "no-store" });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.text();
  };
  const look = async () => {
    const began = performance.now();
    try {
      const now = await ask("/state");
      if (now !== state) {
        const page = new DOMParser().parseFromString(await ask("/"), "text/html");
        const kept = keep();
        document.querySelector("main").replaceWith(page.querySelector("main"));
        restore(kept);
        state = page.getElementById("live").dataset.state;
      }
      say("live", true);
    } catch (error) {
      say(error instanceof TypeError ? "no longer live: the server does not answer" : error.message, false);
    }
    // a page that takes long to build is asked for less often
    setTimeout(look, Math.max(PAUSE_MS, BUILDS_PER_PAUSE * (performance.now() - began)));
  };
  look();
})();
