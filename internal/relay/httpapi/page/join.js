// Takes an invitation out of the address bar, so that it does not stay in the history and on the screen, and offers it to be
// copied. It is sent nowhere.
"use strict";
(() => {
  const link = location.href;
  if (!location.hash || location.hash.length < 2) {
    document.querySelector("#lacking").hidden = false;
    return;
  }
  history.replaceState(null, "", location.pathname);
  const field = document.querySelector("#link");
  const copied = document.querySelector("#copied");
  field.value = link;
  document.querySelector("#whole").hidden = false;
  field.addEventListener("focus", () => field.select());
  document.querySelector("#copy").addEventListener("click", () => {
    field.focus();
    field.select();
    // Without https a page has no other clipboard than this one.
    copied.textContent = document.execCommand("copy") ? "Copied." : "Copy it by hand, please.";
  });
})();
