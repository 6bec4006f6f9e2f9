"use strict";
(() => {
  const table = document.getElementById("jobs");
  if (!table) return;
  const bodies = [...table.tBodies], filter = document.getElementById("filter");
  const word = document.getElementById("word"), came = document.getElementById("came-out");
  const found = document.getElementById("found");
  filter.hidden = false;

  const look = () => {
    const wanted = word.value.trim().toLowerCase();
    let count = 0;
    for (const body of bodies) {
      const head = body.rows[0];
      const ours = !came.value || body.dataset.cameOut === came.value;
      const whole = !wanted || head.textContent.toLowerCase().includes(wanted);
      let here = 0;
      for (const row of body.rows) {
        if (row === head) continue;
        const shown = ours && (whole || row.textContent.toLowerCase().includes(wanted));
        row.hidden = !shown;
        here += shown;
      }
      body.hidden = !ours || (!here && !whole);
      count += here;
    }
    found.textContent = wanted || came.value ? `${count} rows` : "";
  };
  word.addEventListener("input", look);
  came.addEventListener("input", look);

  const key = (row, place) => {
    const text = row.cells[place].textContent;
    return text === "" ? -Infinity : /^-?[\d.]+$/.test(text) && text.length < 16 ? Number(text) : text;
  };
  const order = (a, b) => {
    if (typeof a === typeof b && typeof a === "string") return a.localeCompare(b, undefined, { numeric: true });
    return typeof a === "string" ? 1 : typeof b === "string" ? -1 : a === b ? 0 : a < b ? -1 : 1;
  };
  const heads = [...table.tHead.rows[0].cells];
  const sort = (place) => {
    const down = heads[place].getAttribute("aria-sort") === "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[place].setAttribute("aria-sort", down ? "descending" : "ascending");
    for (const body of bodies) {
      const rows = [...body.rows].slice(1).map((row) => [key(row, place), row]);
      rows.sort((a, b) => (down ? order(b[0], a[0]) : order(a[0], b[0])));
      body.append(...rows.map((pair) => pair[1]));
    }
  };
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(place));
    head.replaceChildren(button);
  });

  const player = document.getElementById("player"), video = player.querySelector("video");
  table.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !player.showModal) return;
    event.preventDefault();
    video.src = link.href;
    player.querySelector("b").textContent = link.closest("tr").cells[0].firstChild.textContent;
    player.showModal();
    video.play().catch(() => {});
  });
  player.addEventListener("close", () => video.pause());
})();
