"use strict";
// Filters and searches; without it every item still stands on the page.
(() => {
  const texts = new WeakMap();
  const text = (item) => {
    if (!texts.has(item)) texts.set(item, item.textContent.toLowerCase());
    return texts.get(item);
  };
  const apply = (browser) => {
    const kind = browser.querySelector("input[type=radio]:checked").value;
    const words = browser.querySelector("input[type=search]").value.toLowerCase().split(/\s+/).filter(Boolean);
    const items = browser.querySelectorAll(".item");
    let shown = 0;
    for (const item of items) {
      const wanted = (!kind || item.dataset.kinds.split(" ").includes(kind))
        && words.every((word) => text(item).includes(word));
      item.hidden = !wanted;
      shown += wanted;
    }
    const count = browser.querySelector(".count");
    count.textContent = `${shown} of ${items.length} ${count.dataset.noun}`;
  };
  const begin = () => {
    for (const browser of document.querySelectorAll("[data-browser]")) {
      browser.querySelector(".filters").hidden = false;
      apply(browser);
    }
  };
  document.addEventListener("input", (event) => {
    const browser = event.target.closest("[data-browser]");
    if (browser) apply(browser);
  });
  document.addEventListener("swapped", begin);
  begin();
})();
