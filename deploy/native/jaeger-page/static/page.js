// The newest traces, and one trace as a waterfall, from the query API of the same origin.
const ROOT = "time to glass";
const SERVICES = ["pipeline", "ingest", "normalize", "decorate", "sink"];
const NEWEST = 20;
const REFRESH_MS = 5000;
const page = document.getElementById("page");

/** Make an element; text stays text, whatever it holds. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const colour = (service, failed) =>
  `var(--${failed ? "failed" : SERVICES.includes(service) ? service : "other"})`;
const milliseconds = (us) =>
  (us / 1000).toLocaleString("en", { minimumFractionDigits: 3, maximumFractionDigits: 3 }) + " ms";
const tag = (span, key) => span.tags.find((one) => one.key === key)?.value;
const hasFailed = (span) => tag(span, "error") === true;
const parentOf = (span) => span.references.find((one) => one.refType === "CHILD_OF")?.spanID;
const serviceOf = (trace, span) => trace.processes[span.processID].serviceName;

async function ask(path) {
  const answer = await fetch(path);
  if (answer.status === 404) return [];
  if (!answer.ok) throw new Error(`Jaeger answered ${answer.status}`);
  return (await answer.json()).data ?? [];
}

/** Spans as [span, depth], children by their start under their parent, orphans at the left. */
function laidOut(trace) {
  const known = new Set(trace.spans.map((span) => span.spanID));
  const children = new Map();
  for (const span of [...trace.spans].sort((a, b) => a.startTime - b.startTime || b.duration - a.duration)) {
    const parent = known.has(parentOf(span)) ? parentOf(span) : "";
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const below = (parent, depth) =>
    (children.get(parent) ?? []).flatMap((span) => [[span, depth], ...below(span.spanID, depth + 1)]);
  return below("", 0);
}

function details(trace, span) {
  const rows = [
    ["span id", span.spanID],
    ["started", new Date(span.startTime / 1000).toISOString()],
    ...span.tags.map((one) => [one.key, String(one.value)]),
    ...trace.processes[span.processID].tags.map((one) => [one.key, String(one.value)]),
    ...(span.warnings ?? []).map((text) => ["warning", text]),
  ];
  const links = span.references.filter((one) => one.refType !== "CHILD_OF");
  const table = make("table", {}, ...rows.map(([name, text]) =>
    make("tr", {}, make("td", { class: "quiet" }, name), make("td", {}, make("code", {}, text)))));
  for (const link of links) {
    const to = make("a", { href: `/trace/${link.traceID}` }, make("code", {}, `${link.traceID} ${link.spanID}`));
    table.append(make("tr", {}, make("td", { class: "quiet" }, "link"), make("td", {}, to)));
  }
  return make("div", { class: "details" }, table);
}

function waterfall(trace) {
  const began = Math.min(...trace.spans.map((span) => span.startTime));
  const ended = Math.max(...trace.spans.map((span) => span.startTime + span.duration));
  const whole = Math.max(ended - began, 1);
  return laidOut(trace).flatMap(([span, depth]) => {
    const service = serviceOf(trace, span);
    const paint = colour(service, hasFailed(span));
    const bar = make("div", { class: "bar" });
    bar.style.left = `${(100 * (span.startTime - began)) / whole}%`;
    bar.style.width = `${(100 * span.duration) / whole}%`;
    bar.style.background = paint;
    const label = make("span", { class: "service" }, service);
    label.style.color = paint;
    const name = make("span", {}, span.operationName + (hasFailed(span) ? " (failed)" : ""));
    name.style.paddingLeft = `${depth}rem`;
    const row = make("div", { class: "row", tabindex: "0", role: "button", "aria-expanded": "false" },
      make("div", { class: "name" }, label, name),
      make("div", { class: "lane" }, bar),
      make("div", { class: "number" }, milliseconds(span.duration)));
    const toggle = () => row.setAttribute("aria-expanded", String(row.classList.toggle("open")));
    row.addEventListener("click", toggle);
    row.addEventListener("keydown", (event) => { if (event.key === "Enter") toggle(); });
    return [row, details(trace, span)];
  });
}

async function showTrace(id) {
  document.title = id;
  const [trace] = await ask(`/api/traces/${encodeURIComponent(id)}`);
  if (!trace) {
    page.replaceChildren(make("p", {}, `There is no trace ${id}: it was not sampled, or Jaeger was restarted since.`));
    return;
  }
  const root = trace.spans.find((span) => span.operationName === ROOT);
  const title = root ? `${ROOT} ${milliseconds(root.duration)}` : "no root: the request has not reached the glass";
  page.replaceChildren(
    make("h2", {}, title, " ", make("span", { class: "id quiet" }, trace.traceID)),
    ...waterfall(trace));
}

function listed(trace) {
  const root = trace.spans.find((span) => span.operationName === ROOT);
  const began = Math.min(...trace.spans.map((span) => span.startTime));
  const failed = trace.spans.filter(hasFailed).length;
  return { began, row: make("tr", {},
    make("td", {}, new Date(began / 1000).toLocaleTimeString()),
    make("td", {}, make("a", { href: `/trace/${trace.traceID}`, class: "id" }, trace.traceID)),
    make("td", { class: "number" }, root ? milliseconds(root.duration) : "not at the glass"),
    make("td", { class: "number" }, String(trace.spans.length)),
    make("td", { class: "number failed" }, failed ? String(failed) : "")) };
}

async function showNewest() {
  const services = await ask("/api/services");
  // The door's traces include those whose root is missing.
  const asked = SERVICES.filter((service) => services.includes(service)).slice(0, 2);
  const answers = await Promise.all(
    asked.map((service) => ask(`/api/traces?service=${service}&limit=${NEWEST}`)));
  const traces = [...new Map(answers.flat().map((trace) => [trace.traceID, trace])).values()];
  if (!traces.length) {
    page.replaceChildren(make("p", {}, "No traces yet; send an event, or run ", make("code", {}, "make load"), "."));
    return;
  }
  const rows = traces.map(listed).sort((a, b) => b.began - a.began).slice(0, NEWEST);
  const head = make("tr", {}, ...["received", "trace", ROOT, "spans", "failed"].map((name, column) =>
    make("th", column > 1 ? { class: "number" } : {}, name)));
  page.replaceChildren(make("h2", {}, "The newest"), make("table", {}, head, ...rows.map((one) => one.row)));
}

async function show() {
  const id = /^\/trace\/([0-9a-f]+)/.exec(location.pathname)?.[1];
  try {
    await (id ? showTrace(id) : showNewest());
  } catch (error) {
    page.replaceChildren(make("p", { class: "failed" }, `${error.message}; is the stack up? Try make ps.`));
  }
  if (!id) setTimeout(show, REFRESH_MS);
}

document.getElementById("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = new FormData(event.target).get("id").trim().toLowerCase();
  if (/^[0-9a-f]{1,32}$/.test(id)) location.assign(`/trace/${id}`);
});
show();
