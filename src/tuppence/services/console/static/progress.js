// Shows the progress of a run while it goes on. Without this script the page shows it as of loading.

const run = document.getElementById("run");
const bar = run.querySelector("progress");
const said = run.querySelector("[role=status]");
const events = new EventSource(`/nights/events?run=${encodeURIComponent(run.dataset.run)}`);
const written = (number) => Math.round(number).toLocaleString("en-GB");

events.addEventListener("message", ({ data }) => {
  const { done, customers, rate, seconds_left: left, finished } = JSON.parse(data);
  if (finished) {
    events.close();
    location.reload();
    return;
  }
  bar.value = done;
  bar.max = customers;
  const speed = rate === null ? "" : `, ${written(rate)} a second, about ${written(left)} s left`;
  said.textContent = `${written(done)} of ${written(customers)} customers${speed}.`;
});
