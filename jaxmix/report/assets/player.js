"use strict";
// The player: draws the recorded steps of a result, one method large and all of them small; of
// several results, its scenes, one at a time.
// Ellipses lie at 1 and 2 standard deviations; the outer one carries its geometry in data units.

const player = document.getElementById("player");
const COLORS = player.dataset.colors.split(" ");
const PLAY_MILLISECONDS = 500;

const embedded = JSON.parse(document.getElementById("result").textContent);
const scenes = embedded.scenes || [embedded];
const state = { path: 0, position: 0, timer: null };
let result, points, oneColumn, bounds;

function load(scene) {
  result = scenes[scene];
  points = result.data.points;
  oneColumn = result.data.columns.length === 1;
  bounds = dataBounds();
  Object.assign(state, { path: 0, position: 0 });
  const options = result.paths.map((path, index) => new Option(path.method, String(index)));
  document.getElementById("method").replaceChildren(...options);
}

function element(name, attributes, parent, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function range(values) {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const margin = 0.1 * (high - low || 1);
  return [low - margin, high + margin];
}

function histogram(values) {
  const [low, high] = range(values);
  const count = Math.max(10, Math.ceil(2 * Math.cbrt(values.length)));
  const width = (high - low) / count;
  const heights = new Array(count).fill(0);
  for (const value of values) heights[Math.floor((value - low) / width)] += 1 / (values.length * width);
  return heights.map((height, bin) => ({ left: low + bin * width, width, height }));
}

function dataBounds() {
  const x = range(points.map((point) => point[0]));
  if (!oneColumn) return { x, y: range(points.map((point) => point[1])) };
  const bars = histogram(points.map((point) => point[0]));
  return { x, y: [0, 1.6 * Math.max(...bars.map((bar) => bar.height))] };
}

function finiteComponents(path, position) {
  const weights = path.weights[position] || [];
  const components = weights.map((weight, index) => ({
    index,
    weight,
    mean: path.means[position][index],
    covariance: path.covariances[position][index],
  }));
  const isFinite = (c) => [c.weight, c.mean, c.covariance].flat(2).every(Number.isFinite);
  return components.filter(isFinite);
}

// Semi-axes at one standard deviation and the angle of the longer one, from the first two columns.
function principalAxes(covariance) {
  const [[a, b], [, c]] = covariance;
  const middle = (a + c) / 2;
  const spread = Math.hypot((a - c) / 2, b);
  return {
    major: Math.sqrt(middle + spread),
    minor: Math.sqrt(Math.max(0, middle - spread)),
    angle: Math.atan2(2 * b, a - c) / 2,
  };
}

function frame(width, height, margin) {
  const [left, right] = bounds.x;
  const [bottom, top] = bounds.y;
  const scale = {
    x: (width - margin.left - margin.right) / (right - left),
    y: (height - margin.top - margin.bottom) / (top - bottom),
  };
  return {
    width, height, margin, scale,
    x: (value) => margin.left + (value - left) * scale.x,
    y: (value) => height - margin.bottom - (value - bottom) * scale.y,
  };
}

function niceTicks([low, high], count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const first = Math.ceil(low / step);
  const ticks = Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
  return ticks.map((value) => ({ value, label: value.toFixed(digits) }));
}

function drawAxes(svg, at) {
  const foot = at.height - at.margin.bottom;
  const frameLine = `M${at.margin.left} ${at.margin.top}V${foot}H${at.width - at.margin.right}`;
  element("path", { d: frameLine, fill: "none", stroke: "#666" }, svg);
  for (const { value, label } of niceTicks(bounds.x, at.width / 110)) {
    element("path", { d: `M${at.x(value)} ${foot}v4`, stroke: "#666" }, svg);
    element("text", { x: at.x(value), y: foot + 18, "text-anchor": "middle" }, svg, label);
  }
  for (const { value, label } of niceTicks(bounds.y, at.height / 70)) {
    element("path", { d: `M${at.margin.left} ${at.y(value)}h-4`, stroke: "#666" }, svg);
    element("text", { x: at.margin.left - 7, y: at.y(value) + 4, "text-anchor": "end" }, svg, label);
  }
  const [horizontal, vertical] = [...result.data.columns.slice(0, 2), "density"];
  const middle = (at.margin.left + at.width - at.margin.right) / 2;
  element("text", { x: middle, y: at.height - 6, "text-anchor": "middle" }, svg, horizontal);
  const turned = `translate(14 ${(at.margin.top + foot) / 2}) rotate(-90)`;
  element("text", { transform: turned, "text-anchor": "middle" }, svg, vertical);
}

function drawPoints(svg, at, size) {
  const d = points.map((point) => `M${at.x(point[0]).toFixed(2)} ${at.y(point[1]).toFixed(2)}h0`).join("");
  element("path", { d, stroke: "#b5b5b5", "stroke-width": size, "stroke-linecap": "round" }, svg);
}

function drawHistogram(svg, at) {
  for (const bar of histogram(points.map((point) => point[0]))) {
    const size = { width: bar.width * at.scale.x, height: bar.height * at.scale.y };
    element("rect", { x: at.x(bar.left), y: at.y(bar.height), ...size, fill: "#dcdcdc" }, svg);
  }
}

function drawEllipse(svg, at, component, path, position, large) {
  const { major, minor, angle } = principalAxes(component.covariance);
  const [cx, cy] = component.mean;
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  const color = COLORS[component.index % COLORS.length];
  // A unit circle under the map from principal axes to pixels, whose scales differ in x and y.
  const matrix = (size) => [
    size * major * cosine * at.scale.x, -size * major * sine * at.scale.y,
    -size * minor * sine * at.scale.x, -size * minor * cosine * at.scale.y,
    at.x(cx), at.y(cy),
  ];
  for (const size of [1, 2]) {
    const geometry = {
      "data-component": component.index, "data-step": path.steps[position],
      "data-cx": cx, "data-cy": cy,
      "data-rx": size * major, "data-ry": size * minor, "data-angle": (angle * 180) / Math.PI,
    };
    element("ellipse", {
      rx: 1, ry: 1, transform: `matrix(${matrix(size).join(" ")})`,
      fill: "none", stroke: color, "stroke-width": size === 1 ? 2.5 : 1.5,
      "vector-effect": "non-scaling-stroke", ...(large && size === 2 ? geometry : {}),
    }, svg);
  }
  const cross = `M${at.x(cx) - 4} ${at.y(cy)}h8m-4 -4v8`;
  element("path", { d: cross, stroke: color, "stroke-width": 2 }, svg);
}

function density(component, value) {
  const variance = component.covariance[0][0];
  const distance = (value - component.mean[0]) ** 2 / variance;
  return (component.weight * Math.exp(-distance / 2)) / Math.sqrt(2 * Math.PI * variance);
}

function drawCurve(svg, at, height, attributes) {
  const [low, high] = bounds.x;
  const grid = Array.from({ length: 401 }, (_, i) => low + ((high - low) * i) / 400);
  const d = "M" + grid.map((x) => `${at.x(x).toFixed(2)} ${at.y(height(x)).toFixed(2)}`).join("L");
  element("path", { d, fill: "none", "stroke-width": 2, ...attributes }, svg);
}

function drawDensities(svg, at, components, path, position, large) {
  const total = (x) => components.reduce((sum, component) => sum + density(component, x), 0);
  drawCurve(svg, at, total, { stroke: "#1a1a1a", "stroke-width": 1 });
  for (const component of components) {
    const geometry = {
      "data-component": component.index, "data-step": path.steps[position],
      "data-mean": component.mean[0], "data-sd": Math.sqrt(component.covariance[0][0]),
    };
    const color = { stroke: COLORS[component.index % COLORS.length] };
    drawCurve(svg, at, (x) => density(component, x), { ...color, ...(large ? geometry : {}) });
  }
}

let numClips = 0;

function drawPanel(container, at, path, position, large) {
  const attributes = { width: at.width, height: at.height, role: "img", "aria-label": path.method };
  const svg = element("svg", { ...attributes, viewBox: `0 0 ${at.width} ${at.height}` }, container);
  const { left, right, top, bottom } = at.margin;
  const inside = { x: left, y: top, width: at.width - left - right, height: at.height - top - bottom };
  const clip = element("clipPath", { id: `clip${(numClips += 1)}` }, svg);
  element("rect", inside, clip);
  const plot = element("g", { "clip-path": `url(#${clip.id})` }, svg);
  const components = finiteComponents(path, position);
  if (oneColumn) {
    drawHistogram(plot, at);
    drawDensities(plot, at, components, path, position, large);
  } else {
    drawPoints(plot, at, large ? 4 : 2);
    for (const component of components) drawEllipse(plot, at, component, path, position, large);
  }
  if (large) drawAxes(svg, at);
}

function lastRecorded(path, step) {
  return Math.max(0, path.steps.filter((recorded) => recorded <= step).length - 1);
}

function numberText(value, format) {
  return Number.isFinite(value) ? format(value) : "not a number";
}

function describeStep(path, position) {
  const step = path.steps[position];
  const same = (trace) => trace.method === path.method && trace.start === path.start;
  const trace = result.traces.find(same) || { objective: [], gap: [] };
  const end = position === path.steps.length - 1 ? " (end)" : "";
  const row = trace.steps ? trace.steps.indexOf(step) : step;
  const [first, second] = result.measures || ["log-likelihood", "gap"];
  const objective = numberText(trace.objective[row], (value) => value.toFixed(5));
  const gap = numberText(trace.gap[row], (value) => (value ? value.toExponential(1) : "0"));
  return `${path.method}, step ${step}${end} · ${first} ${objective} · ${second} ${gap} nats`;
}

function drawStage(path) {
  const stage = document.getElementById("stage");
  const width = Math.max(280, Math.min(stage.clientWidth, 760));
  const margin = { left: 58, right: 12, top: 10, bottom: 46 };
  stage.replaceChildren();
  drawPanel(stage, frame(width, Math.round(width * 0.62), margin), path, state.position, true);
}

function drawMultiples(step) {
  const multiples = document.getElementById("multiples");
  multiples.replaceChildren();
  result.paths.forEach((path, index) => {
    const position = lastRecorded(path, step);
    const ended = position === path.steps.length - 1 ? "ended at step" : "step";
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(index === state.path));
    button.append(`${path.method}, ${ended} ${path.steps[position]}`);
    const margin = { left: 1, right: 1, top: 1, bottom: 1 };
    drawPanel(button, frame(180, 120, margin), path, position, false);
    button.addEventListener("click", () => {
      choose(index);
      multiples.children[index].focus();
    });
    multiples.append(button);
  });
}

function draw() {
  const path = result.paths[state.path];
  document.getElementById("method").value = String(state.path);
  const slider = document.getElementById("position");
  slider.max = String(lastPosition());
  slider.value = String(state.position);
  slider.setAttribute("aria-valuetext", `step ${path.steps[state.position]}`);
  document.getElementById("play").textContent = state.timer ? "pause" : "play";
  document.getElementById("status").textContent = describeStep(path, state.position);
  drawStage(path);
  drawMultiples(path.steps[state.position]);
}

function lastPosition() {
  return result.paths[state.path].steps.length - 1;
}

function go(position) {
  state.position = Math.min(Math.max(position, 0), lastPosition());
  draw();
}

function choose(index) {
  const step = result.paths[state.path].steps[state.position];
  state.path = index;
  go(lastRecorded(result.paths[index], step));
}

function pause() {
  clearInterval(state.timer);
  state.timer = null;
}

function advance() {
  if (state.position + 1 >= lastPosition()) pause();
  go(state.position + 1);
}

function togglePlay() {
  if (state.timer) {
    pause();
    draw();
  } else {
    state.timer = setInterval(advance, PLAY_MILLISECONDS);
    go(state.position === lastPosition() ? 0 : state.position);
  }
}

const MOVES = {
  start: () => go(0),
  previous: () => go(state.position - 1),
  next: () => go(state.position + 1),
  end: () => go(lastPosition()),
};
const KEYS = { Home: "start", ArrowLeft: "previous", ArrowRight: "next", End: "end" };

function byHand(move) {
  pause();
  MOVES[move]();
}

function onKey(event) {
  const modified = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
  if (modified || ["SELECT", "INPUT"].includes(event.target.tagName) || !(event.key in KEYS)) return;
  event.preventDefault();
  byHand(KEYS[event.key]);
}

function begin() {
  const chosen = document.getElementById("scene");
  scenes.forEach((scene, index) => chosen.append(new Option(scene.data.name, String(index))));
  chosen.parentElement.hidden = scenes.length === 1;
  chosen.addEventListener("change", () => {
    pause();
    load(Number(chosen.value));
    draw();
  });
  document.getElementById("method").addEventListener("change", (event) => choose(Number(event.target.value)));
  for (const move of Object.keys(MOVES)) {
    document.getElementById(move).addEventListener("click", () => byHand(move));
  }
  document.getElementById("play").addEventListener("click", togglePlay);
  document.getElementById("position").addEventListener("input", (event) => {
    pause();
    go(Number(event.target.value));
  });
  // On a long page the keys are the player's only while it has the focus.
  (player.dataset.keys === "inside" ? player : document).addEventListener("keydown", onKey);
  window.addEventListener("resize", draw);
  load(0);
  draw();
}

begin();
