// Follows a channel: asks for its newest entry's number every ten seconds while somebody looks, and where that has
// moved puts the table and the plots of the page as it is now in the place of the old ones. Without this the page still works.
"use strict";
(() => {
  const news = document.querySelector("[data-news]");
  const follow = document.querySelector(".follow");
  const status = document.querySelector("#status");
  if (!news || !follow) return;
  const box = follow.querySelector("input");
  let last = news.dataset.last;
  let looking = false;
  follow.hidden = false;

  async function look() {
    if (looking || document.hidden || !box.checked) return;
    looking = true;
    try {
      const number = await fetch(news.dataset.news, { cache: "no-store" });
      if (!number.ok) throw new Error("status " + number.status);
      const now = (await number.text()).trim();
      if (now !== last) {
        const page = await fetch(location.pathname + location.search, { cache: "no-store", headers: { Accept: "text/html" } });
        if (!page.ok) throw new Error("status " + page.status);
        show(new DOMParser().parseFromString(await page.text(), "text/html"));
        last = now;
      }
      status.textContent = "";
    } catch {
      status.textContent = "The relay does not answer; trying again.";
    } finally {
      looking = false;
    }
  }

  function show(page) {
    for (const id of ["entries", "facts", "signers", "plots"]) {
      const fresh = page.getElementById(id);
      if (!fresh) continue;
      const old = document.getElementById(id);
      const seen = new Set(Array.from(old.querySelectorAll("tr[data-entry]"), (row) => row.dataset.entry));
      for (const row of fresh.querySelectorAll("tr[data-entry]")) {
        row.classList.toggle("fresh", !seen.has(row.dataset.entry));
      }
      old.replaceWith(document.adoptNode(fresh));
    }
  }

  setInterval(look, 10000);
  document.addEventListener("visibilitychange", look);
  box.addEventListener("change", look);
})();
