"use strict";

// Players: one sounds at a time; the stems of a sample share one clock, so that they can be compared.
{
  const icons = { play: "M3 1 L11 6 L3 11 Z", pause: "M2 1 H5 V11 H2 Z M7 1 H10 V11 H7 Z" };
  let current = null;

  const draw = (player) => {
    const seconds = player.audio.currentTime;
    player.playhead.style.left = `${(100 * seconds) / player.seconds}%`;
    player.seek.value = seconds;
    player.stem.classList.toggle("started", seconds > 0);
  };

  const follow = () => {
    if (!current) return;
    draw(current);
    requestAnimationFrame(follow);
  };

  const showState = (player, playing) => {
    player.stem.classList.toggle("playing", playing);
    player.button.setAttribute("aria-label", `${playing ? "Pause" : "Play"} the ${player.stem.dataset.name}`);
    player.icon.setAttribute("d", playing ? icons.pause : icons.play);
  };

  const start = (player) => {
    const before = player.sample.last;
    if (current && current !== player) current.audio.pause();
    if (before && before !== player) {
      player.audio.currentTime = before.audio.ended ? 0 : before.audio.currentTime;
      before.stem.classList.remove("started");
    }
    player.sample.last = player;
    player.audio.play();
  };

  const build = (stem, sample) => {
    const audio = stem.querySelector("audio");
    const view = stem.querySelector(".view");
    const button = document.createElement("button");
    button.type = "button";
    button.innerHTML = '<svg viewBox="0 0 12 12" aria-hidden="true"><path></path></svg>';
    const seek = document.createElement("input");
    const seconds = Number(stem.dataset.seconds);
    Object.assign(seek, { type: "range", min: 0, max: seconds, step: 0.1, value: 0 });
    seek.setAttribute("aria-label", `Position in the ${stem.dataset.name}, seconds`);
    const playhead = document.createElement("span");
    playhead.className = "playhead";
    view.append(playhead, seek);
    stem.insertBefore(button, view);
    audio.controls = false;
    stem.classList.add("scripted");

    const player = { stem, sample, audio, button, seek, playhead, seconds, icon: button.querySelector("path") };
    showState(player, false);
    button.addEventListener("click", () => (audio.paused ? start(player) : audio.pause()));
    seek.addEventListener("input", () => {
      const wanted = Number(seek.value);
      if (sample.last !== player) start(player);
      audio.currentTime = wanted;
      if (audio.paused) start(player);
    });
    audio.addEventListener("play", () => {
      current = player;
      showState(player, true);
      follow();
    });
    for (const event of ["pause", "ended"]) {
      audio.addEventListener(event, () => {
        if (current === player) current = null;
        showState(player, false);
        draw(player);
      });
    }
  };

  for (const article of document.querySelectorAll("article")) {
    const sample = { last: null };
    for (const stem of article.querySelectorAll(".stem")) build(stem, sample);
  }
}

// Tables that sort by a click on a heading, and a field that hides rows without its text.
{
  const value = (cell) => {
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text.replace(/[,%\s]/g, ""));
    return text !== "" && !Number.isNaN(number) ? number : text.toLowerCase();
  };
  const compare = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? 1 : -1);

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      if (heading.classList.contains("unsorted")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const order = heading.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const rows = [...body.rows].map((row) => [value(row.cells[column]), row]);
        rows.sort(([a], [b]) => sign * compare(a, b));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }
  for (const input of document.querySelectorAll("input[data-filters]")) {
    input.closest("[hidden]").hidden = false;
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const row of document.getElementById(input.dataset.filters).tBodies[0].rows) {
        row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
      }
    });
  }
}
