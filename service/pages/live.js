"use strict";
(() => {
  // What is shown is always what the server renders: the page is asked for again, and this part of it put in place.
  const place = document.getElementById("live");
  const words = document.getElementById("words");
  if (!place || "ended" in place.dataset) return;
  let asking = false, again = false, stream = null, clock = null;

  const end = () => { clearInterval(clock); if (stream) stream.close(); };

  async function look() {
    if (asking) { again = true; return; }
    asking = true; again = false;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* the gateway is away: the next look may find it */ }
    setTimeout(() => { asking = false; if (again) look(); }, 400);
  }

  function show(page) {
    const told = page.getElementById("live");
    if (!told || place.contains(document.activeElement)) return;
    place.replaceChildren(...told.childNodes);
    const said = page.getElementById("words");
    if (words && said && words.textContent !== said.textContent) words.textContent = said.textContent;
    document.title = page.title;
    if ("ended" in told.dataset) end();
  }

  if (place.dataset.events && window.EventSource) {
    stream = new EventSource(place.dataset.events);
    const types = ["audit.running", "audit.cancelling", "audit.succeeded", "audit.failed", "audit.cancelled",
      "audit.expired", "unit.started", "unit.done", "unit.failed", "unit.cancelled", "unit.retried", "unit.returned",
      "unit.lost", "reset"];
    for (const type of types) stream.addEventListener(type, look);
  }
  clock = setInterval(look, Number(place.dataset.seconds) * 1000);
})();
