// Takes an invitation out of the address bar, so that it does not stay in the history and on the screen, and offers it to be
// copied. It is sent nowhere.
"use strict";
(() => {
  const field = document.querySelector("#link");
  const copied = document.querySelector("#copied");
  let has = false;
  const show = () => {
    if (location.hash.length > 1) {
      has = true;
      field.value = location.href;
      copied.textContent = "";
      history.replaceState(null, "", location.pathname);
    }
    document.querySelector("#lacking").hidden = has;
    document.querySelector("#whole").hidden = !has;
  };
  field.addEventListener("focus", () => field.select());
  document.querySelector("#copy").addEventListener("click", () => {
    field.focus();
    field.select();
    // Without https a page has no other clipboard than this one.
    copied.textContent = document.execCommand("copy") ? "Copied." : "Copy it by hand, please.";
  });
  // Who pastes another invitation into the address bar of this page loads nothing anew.
  addEventListener("hashchange", show);
  show();
})();
