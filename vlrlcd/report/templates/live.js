"use strict";
// Asks whether the run has gone on and puts title, head and <main> of the new page in place of the old; the reader's place stays.
(() => {
  const PAUSE_MS = 1500;
  const live = document.getElementById("live");
  let state = live.dataset.state;

  const say = (words, well) => {
    if (live.textContent !== words) live.textContent = words;
    live.classList.toggle("lost", !well);
  };
  const rows = () => [...document.querySelectorAll("details[data-key]")];
  const byKey = () => new Map(rows().map((row) => [row.dataset.key, row]));
  // what the reader looks at: the first row or heading that is not above the window
  const landmark = () => [...document.querySelectorAll("main h2, main figure, main details[data-key]")]
    .find((one) => one.getClientRects().length && one.getBoundingClientRect().bottom > 0);
  const nameOf = (one) => one.dataset.key || one.id || one.querySelector("figcaption b").textContent;
  const named = (name) => [...document.querySelectorAll("main h2, main figure, main details[data-key]")]
    .filter((one) => nameOf(one) === name);

  const keep = () => {
    const active = document.activeElement;
    const seen = landmark();
    return {
      rows: rows().map((row) => [row.dataset.key, row.open, row]),
      inputs: [...document.querySelectorAll("main input")].map((one) => [one.id, one.checked, one.value]),
      focus: active.id || null,
      summary: active.matches("summary") ? active.parentElement.dataset.key : null,
      caret: active.type === "search" ? [active.selectionStart, active.selectionEnd] : null,
      seen: seen && {
        name: nameOf(seen),
        place: named(nameOf(seen)).indexOf(seen),
        top: seen.getBoundingClientRect().top,
      },
      scroll: [window.scrollX, window.scrollY],
    };
  };

  const restoreRows = (kept) => {
    const found = byKey();
    let before = null;
    for (const [key, open, row] of kept) {
      const [browser] = key.split(" ");
      if (before && !before.dataset.key.startsWith(`${browser} `)) before = null;
      if (found.has(key)) {
        before = found.get(key);
        before.open = open;
      } else if (open) {
        // a row that is read stays where it was, though the sample no longer holds it
        const first = document.querySelector(`[data-browser="${browser}"] .item`);
        if (before) before.after(row);
        else if (first) first.before(row);
        if (row.isConnected) before = row;
      }
    }
  };
  const restore = (kept) => {
    restoreRows(kept.rows);
    for (const [id, checked, value] of kept.inputs) {
      const input = document.getElementById(id);
      if (input && input.type === "search") input.value = value;
      else if (input && checked) input.checked = true;
    }
    document.dispatchEvent(new Event("swapped"));
    const row = kept.summary && byKey().get(kept.summary);
    const target = row ? row.querySelector("summary") : document.getElementById(kept.focus);
    if (target) target.focus({ preventScroll: true });
    if (target && kept.caret) target.setSelectionRange(...kept.caret);
    window.scrollTo(...kept.scroll);
    const seen = kept.seen && named(kept.seen.name)[kept.seen.place];
    if (seen && kept.scroll[1]) window.scrollBy(0, seen.getBoundingClientRect().top - kept.seen.top);
  };

  const ask = async (path) => {
    const answer = await fetch(path, { cache: "no-store" });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.text();
  };
  const look = async () => {
    try {
      if (await ask("/state") !== state) {
        const page = new DOMParser().parseFromString(await ask("/"), "text/html");
        const kept = keep();
        document.title = page.title;
        for (const part of ["#subject", "main"]) document.querySelector(part).replaceWith(page.querySelector(part));
        restore(kept);
        state = page.getElementById("live").dataset.state;
      }
      say("live", true);
    } catch (error) {
      say(error instanceof TypeError ? "no longer live: the server does not answer" : error.message, false);
    }
    setTimeout(look, PAUSE_MS);
  };
  look();
})();
