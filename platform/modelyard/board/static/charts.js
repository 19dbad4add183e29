// Graphs by plotly.js: lines, stacks, bars, stretches of states and heat maps. Colours are the page's own.
import { clock, colourOf, fieldOf, format, limitOf, make, reduce, rem, tell, token } from './fields.js';

const TOLD_APART = 4; // so many colours are told apart by everybody: after them come dashes
const DASHES = ['solid', 'dash', 'dot', 'dashdot'];
const CONFIG = { displayModeBar: false, responsive: false, doubleClick: false, showTips: false, scrollZoom: false };
const shown = new WeakMap();
let stretched = () => {};
export const onStretch = (told) => { stretched = told; };

// Plotly draws times as UTC; moved by the zone, the axis reads as the clock on the wall.
const wall = (seconds) => seconds * 1000 - new Date(seconds * 1000).getTimezoneOffset() * 60000;
const unwall = (told) => { const at = Date.parse(`${String(told).replace(' ', 'T')}Z`); return (at + new Date(at).getTimezoneOffset() * 60000) / 1000; };
const times = (frame) => Array.from({ length: frame.points }, (_, place) => wall(frame.start_s + place * frame.step_s));

function layout(frame, field, unit, extra = {}) {
  const font = { family: getComputedStyle(document.body).fontFamily, size: rem() * 0.8, color: token('--soft') };
  const span = [wall(frame.start_s), wall(frame.start_s + (frame.points - 1) * frame.step_s)];
  return {
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', font, showlegend: false, hovermode: 'x unified', dragmode: 'zoom',
    margin: { l: rem() * 3.6, r: rem() * 0.6, t: rem() * 0.9, b: rem() * 1.7 },
    hoverlabel: { bgcolor: token('--card'), bordercolor: token('--rule'), font: { ...font, color: token('--ink') }, namelength: 40 },
    xaxis: { type: 'date', range: span, gridcolor: token('--grid'), linecolor: token('--rule'), zeroline: false, nticks: 7, tickformat: frame.points * frame.step_s > 86400 ? '%-d %b %H:%M' : '%H:%M', hoverformat: '%H:%M:%S', automargin: false },
    yaxis: { gridcolor: token('--grid'), zerolinecolor: token('--rule'), fixedrange: true, nticks: 6, automargin: true, ...ticks(unit) },
    shapes: [], annotations: [], ...extra,
  };
}

function ticks(unit) {
  if (unit === 'percentunit') return { tickformat: ',.2~%' };
  if (unit === 's') return { ticksuffix: ' s', tickformat: '~g' };
  return {};
}

// The axis' ends: the field's own, else 0 (or less) to a little above what is drawn; a soft maximum holds it open.
function range(field, values, stackedTop) {
  const held = values.filter((value) => value !== null), soft = field.custom.axisSoftMax ?? -Infinity;
  const top = field.max ?? Math.max(stackedTop ?? Math.max(...held, 0), soft, field.min ?? 0);
  const low = field.min ?? Math.min(...held, 0);
  if (unitIsBinary(field.unit)) return binaryAxis(low, top);
  if (held.length && held.every(Number.isInteger) && field.unit !== 'percentunit') return wholeAxis(low, top);
  const room = (top - low) * (field.max === undefined || field.max === null ? 0.08 : 0.02);
  const high = top > low ? top + room : low + 1;
  return { range: [low, high], ...(field.unit === 'percentunit' || field.unit === 's' ? {} : { tickformat: high >= 1000 ? '~s' : '~f' }) };
}

// Replicas and rows are whole: no tick at half a replica.
function wholeAxis(low, top) {
  const high = top > low ? low + (top - low) * 1.1 : low + 1, power = 10 ** Math.floor(Math.log10(Math.max(high - low, 1)));
  const dtick = [0.1, 0.2, 0.5, 1, 2, 5].map((times) => times * power).find((step) => step >= 1 && (high - low) / step <= 5) ?? power * 2;
  return { range: [low, high], tick0: 0, dtick, tickformat: high >= 10000 ? '~s' : ',d' };
}

const unitIsBinary = (unit) => unit === 'bytes';

function binaryAxis(low, top) {
  const high = top > low ? top * 1.08 : low + 1024, power = 1024 ** Math.floor(Math.log(Math.max(high, 1)) / Math.log(1024));
  let step = power;
  for (const times of [0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 25, 50, 100, 200, 250]) { step = power * times; if (high / step <= 5) break; }
  const tickvals = Array.from({ length: 7 }, (_, place) => place * step).filter((at) => at <= high);
  return { range: [low, high], tickmode: 'array', tickvals, ticktext: tickvals.map((at) => (at ? format(at, 'bytes') : '0')) };
}

// What happened: a dashed line for a moment, a band above the graph for a stretch; words where there is room.
function mark(events, chart, width) {
  const from = chart.xaxis.range[0], to = chart.xaxis.range[1];
  let free = -Infinity, shown = null;
  for (const event of events) {
    const [start, end] = [wall(event.start_s), wall(event.end_s)].map((at) => Math.min(Math.max(at, from), to));
    const colour = token(/red|orange/.test(event.colour) ? '--bad' : '--purpose');
    const moment = event.start_s === event.end_s;
    if (moment) chart.shapes.push({ type: 'line', x0: start, x1: start, y0: 0, y1: 1, yref: 'paper', line: { color: colour, width: 1.5, dash: 'dash' }, layer: 'above' });
    else chart.shapes.push(
      { type: 'rect', x0: start, x1: end, y0: 0, y1: 1, yref: 'paper', line: { width: 0 }, fillcolor: colour, opacity: 0.045, layer: 'below' },
      { type: 'rect', x0: start, x1: end, y0: 1.005, y1: 1.035, yref: 'paper', line: { width: 0 }, fillcolor: colour });
    const place = (start - from) / (to - from) * width, size = event.title.length * rem() * 0.42;
    if (place < free && shown) { shown.more += 1; shown.text = `${shown.title} +${shown.more}`; continue; }
    if (place + size > width || width < 380) continue;
    free = place + size + 24;
    chart.annotations.push(shown = { title: escape(event.title), more: 0, x: start, y: 1.03, yref: 'paper', yanchor: 'bottom', xanchor: 'left', showarrow: false, text: escape(event.title), font: { size: rem() * 0.72, color: colour } });
    chart.margin.t = rem() * 1.5;
  }
}

const escape = (text) => String(text).replace(/[<>&]/g, (sign) => ({ '<': '&lt;', '>': '&gt;', '&': '&amp;' })[sign]);

function limits(field, chart) {
  if (!/dashed|line|area/.test(field.custom.thresholdsStyle?.mode || '')) return;
  for (const step of field.thresholds?.steps || []) {
    if (step.value === null) continue;
    const at = limitOf(field, step);
    chart.shapes.push({ type: 'line', x0: 0, x1: 1, xref: 'paper', y0: at, y1: at, line: { color: token('--bad'), width: 1.5, dash: 'dash' } });
    chart.annotations.push({ x: 1, xref: 'paper', xanchor: 'right', y: at, yanchor: 'bottom', showarrow: false, text: format(at, field.unit), font: { size: rem() * 0.75, color: token('--bad') }, bgcolor: token('--card'), opacity: 0.85 });
  }
}

// Who is who: version 2 and revision 00003 look the same in every panel. Where each of them has several lines (classes,
// quantiles), the colour is of the kind of line and the dashes are of the version. What has a look keeps it.
const NUMBERED = [['model_version', /^(\d+)$/], ['revision', /-0*(\d+)$/]];

function looksOf(host, series) {
  host.looks ??= new Map();
  host.kinds ??= new Map();
  const label = NUMBERED.find(([name, form]) => series.length && series.every((one) => form.test(one.labels[name] ?? '')));
  const numbers = label && series.map((one) => Number(one.labels[label[0]].match(label[1])[1]));
  const single = label && new Set(numbers).size === series.length;
  const newest = label && Math.max(...numbers);
  series.forEach((one, at) => {
    if (single) { host.looks.set(one.name, lookOf(Math.max(0, numbers[at] - 1))); return; }
    const kind = label ? one.name.replace(one.labels[label[0]], '').replace(one.labels[label[0]].match(/\d+$/)[0], '') : one.name;
    if (!host.kinds.has(kind)) host.kinds.set(kind, host.kinds.size);
    const look = lookOf(host.kinds.get(kind));
    host.looks.set(one.name, label && numbers[at] !== newest ? { ...look, dash: DASHES[1 + (newest - numbers[at] - 1) % 3] } : look);
  });
  return host.looks;
}

export const lookOf = (place) => ({ colour: colourOf(place), dash: DASHES[Math.floor(place / TOLD_APART) % DASHES.length] });

export function timeseries(host, panel, answer, frame, events) {
  const field = fieldOf(panel, '', ''), stacked = /normal|percent/.test(field.custom.stacking?.mode || '');
  const series = answer.series.map((one) => ({ ...one, field: fieldOf(panel, one.name, one.ref), last: reduce(one.values) }));
  const looks = looksOf(host, series);
  const hidden = host.off ??= new Set(), x = times(frame), visible = series.filter((one) => !hidden.has(one.name));
  const traces = visible.map((one) => {
    const look = looks.get(one.name), colour = token(look.colour);
    const common = { x, y: one.values, name: escape(one.name), hovertemplate: `%{text}`, text: one.values.map((value) => (value === null ? '' : tell(one.field, value).text)) };
    if (stacked) return { ...common, type: 'bar', width: frame.step_s * 1000, marker: { color: colour, line: { width: 0 } } };
    // A point between two gaps has no line: only such ones need marks, which are dear to draw.
    const lonely = one.values.some((value, at) => value !== null && alone(one.values, at));
    return {
      ...common, type: 'scatter', mode: lonely ? 'lines+markers' : 'lines', connectgaps: false, cliponaxis: false,
      line: { color: colour, width: (one.field.custom.lineWidth ?? 2) * (rem() / 16), dash: look.dash, shape: /step/.test(one.field.custom.lineInterpolation || '') ? 'hv' : 'linear' },
      marker: { color: colour, size: lonely ? one.values.map((value, at) => (value !== null && alone(one.values, at) ? 6 : 0)) : 6 },
      ...(visible.length === 1 && (one.field.custom.fillOpacity ?? 0) > 0 ? { fill: 'tozeroy', fillcolor: `${colour}18` } : {}),
    };
  });
  const top = stacked ? Math.max(0, ...x.map((_, at) => visible.reduce((sum, one) => sum + (one.values[at] ?? 0), 0))) : undefined;
  const chart = layout(frame, field, field.unit, { barmode: 'stack', bargap: 0 });
  Object.assign(chart.yaxis, range(field, visible.flatMap((one) => one.values), top));
  limits(field, chart);
  mark(events, chart, host.clientWidth);
  draw(host, traces, chart);
  return series.map((one) => ({ name: one.name, ...looks.get(one.name), block: stacked, text: tell(one.field, one.last).text, last: one.last }));
}

const alone = (values, at) => (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null;

export function stretches(host, panel, answer, frame) {
  const field = fieldOf(panel, '', ''), x = times(frame), rows = [...answer.series].reverse();
  const moods = { good: token('--state-good'), warn: token('--state-warn'), bad: token('--state-bad'), '': token('--s0') };
  const order = ['good', 'warn', 'bad', ''];
  const told = rows.map((one) => one.values.map((value) => (value === null ? null : tell(field, value))));
  const z = told.map((row) => row.map((one) => (one === null ? null : order.indexOf(one.mood))));
  const scale = order.flatMap((mood, at) => [[at / 4, moods[mood]], [(at + 1) / 4, moods[mood]]]);
  const names = rows.map((one) => cut(one.name, Math.floor(host.clientWidth / rem() / 1.9)));
  const unique = names.map((name, at) => name + '\u200b'.repeat(names.slice(0, at).filter((other) => other === name).length));
  const chart = layout(frame, field, '', { hovermode: 'closest' });
  chart.yaxis = { automargin: true, fixedrange: true, tickfont: { color: token('--ink'), size: rem() * 0.82 }, showgrid: false, ticks: '', ticksuffix: '  ', type: 'category', dtick: 1, range: [Math.min(-0.5, rows.length - 5.5), rows.length - 0.5] };
  chart.margin.r = rem() * 4.4;
  told.forEach((row, at) => {
    const last = row[row.length - 1];
    chart.annotations.push({ x: 1.006, xref: 'paper', xanchor: 'left', y: unique[at], showarrow: false, text: last ? escape(last.text) : '–', font: { size: rem() * 0.8, color: last?.mood === 'bad' ? token('--bad') : last ? token('--ink') : token('--faint') } });
  });
  draw(host, [{ type: 'heatmap', x, y: unique, z, zmin: 0, zmax: 4, colorscale: scale, showscale: false, xgap: 0, ygap: 3, text: told.map((row) => row.map((one) => one?.text ?? '')), hovertemplate: '%{x|%H:%M:%S}  %{text}<extra>%{y}</extra>', hoverongaps: false }], chart);
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, Math.max(most - 1, 4))}…` : text);

export function heatmap(host, panel, answer, frame, events) {
  const field = fieldOf(panel, '', ''), unit = panel.options?.yAxis?.unit || 'short';
  const used = answer.buckets.map((bucket) => bucket.values.some((value) => value > 1e-9));
  const first = Math.max(0, used.indexOf(true) - 1), last = Math.min(used.length, used.lastIndexOf(true) + 2);
  const rows = answer.buckets.slice(first, last), shades = token('--heat').split(/\s+/);
  const y = rows.map((bucket) => (bucket.high === null ? `> ${format(bucket.low, unit)}` : `≤ ${format(bucket.high, unit)}`));
  const z = rows.map((bucket) => bucket.values.map((value) => (value > 1e-9 ? Math.sqrt(value) : null)));
  const chart = layout(frame, field, '', { hovermode: 'closest' });
  chart.yaxis = { automargin: true, fixedrange: true, type: 'category', showgrid: false, ticks: '', nticks: Math.max(4, Math.floor(host.clientHeight / rem() / 1.7)) };
  mark(events, chart, host.clientWidth);
  draw(host, [{ type: 'heatmap', x: times(frame), y, z, zmin: 0, colorscale: shades.map((shade, at) => [at / (shades.length - 1), shade]), showscale: false, ygap: 1, text: rows.map((bucket) => bucket.values.map((value) => (value === null ? '' : format(value, field.unit)))), hovertemplate: '%{x|%H:%M:%S}  %{y}<br>%{text}<extra></extra>', hoverongaps: false }], chart);
}

export function barchart(host, panel, answer, frame) {
  const field = fieldOf(panel, '', ''), held = answer.frames[0], across = /horizontal/.test(panel.options?.orientation || '');
  const key = Math.max(0, held.fields.indexOf(panel.options?.xField ?? held.fields[0]));
  const x = held.rows.map((row) => String(row[key])), legend = [], traces = [];
  const before = (name) => (/reference|trained|before/i.test(name) ? 0 : 1);
  held.fields.map((name, at) => [name, at]).sort(([a], [b]) => before(a) - before(b)).forEach(([name, at]) => {
    if (at === key || (host.off ??= new Set()).has(name)) { if (at !== key) legend.push(entry(name, legend.length, '')); return; }
    const one = fieldOf(panel, name, ''), place = legend.length, values = held.rows.map((row) => row[at]);
    legend.push(entry(name, place, ''));
    traces.push({ type: 'bar', name: escape(name), [across ? 'y' : 'x']: x, [across ? 'x' : 'y']: values, orientation: across ? 'h' : 'v', marker: { color: token(barColour(name, place)) }, text: values.map((value) => (value === null ? '' : tell(one, value).text)), textposition: 'none', hovertemplate: '%{text}' });
  });
  const chart = layout(frame, field, field.unit, { barmode: /normal|percent/.test(panel.options?.stacking || '') ? 'stack' : 'group', bargap: 0.25, bargroupgap: 0.05, dragmode: false });
  chart.xaxis = { type: 'category', gridcolor: 'rgba(0,0,0,0)', linecolor: token('--rule'), fixedrange: true, automargin: true, tickangle: 'auto' };
  Object.assign(chart.yaxis, range(field, traces.flatMap((trace) => trace.y), undefined));
  chart.margin.b = rem() * 2.2;
  draw(host, traces, chart);
  return legend;
}

// What a version was trained on stands back in grey; what is seen now stands out.
const barColour = (name, place) => (/reference|trained|before/i.test(name) ? '--s7' : place === 0 || /current|now|window/i.test(name) ? '--s1' : colourOf(place));
const entry = (name, place, text) => ({ name, place, colour: barColour(name, place), dash: 'solid', block: true, text, last: null });

function draw(host, traces, chart) {
  // Not responsive: a panel out of sight is drawn when it comes into sight.
  chart.width = Math.max(host.clientWidth, 60);
  chart.height = Math.max(host.clientHeight, 60);
  Plotly.react(host, traces, chart, CONFIG);
  if (!shown.has(host)) host.on('plotly_relayout', (moved) => { if (moved['xaxis.range[0]']) stretched(unwall(moved['xaxis.range[0]']), unwall(moved['xaxis.range[1]'])); });
  shown.set(host, { traces, chart });
}

export function redrawSize(host) {
  const held = shown.get(host);
  if (held && host.clientWidth > 0) Plotly.relayout(host, { width: host.clientWidth, height: host.clientHeight });
}

export function forget(host) {
  if (shown.has(host)) Plotly.purge(host);
  shown.delete(host);
}

// Arrow keys walk through the moments of a graph, as a mouse over it does.
export function step(host, by) {
  const held = shown.get(host), first = held?.traces[0];
  if (!first?.x?.length) return null;
  const last = first.x.length - 1;
  host.cursor = Math.min(Math.max((host.cursor ?? last + 1) + by, 0), last);
  const points = held.traces.map((trace, curveNumber) => ({ curveNumber, pointNumber: trace.type === 'heatmap' ? [trace.y.length - 1, host.cursor] : host.cursor }));
  Plotly.Fx.hover(host, points.slice(0, first.type === 'heatmap' ? 1 : points.length));
  return first.type === 'bar' && typeof first.x[0] === 'string' ? first.x[host.cursor] : clock(unwall(new Date(first.x[host.cursor]).toISOString().replace('Z', '')));
}

export function swatch(one) {
  const pattern = { solid: '', dash: '7 4', dot: '2 3', dashdot: '7 3 2 3' }[one.dash];
  const drawn = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  drawn.setAttribute('viewBox', '0 0 24 11');
  drawn.setAttribute('aria-hidden', 'true');
  drawn.innerHTML = one.block ? `<rect x="3" y="0" width="18" height="11" rx="2" fill="var(${one.colour})"/>` : `<line x1="0" x2="24" y1="5.5" y2="5.5" stroke="var(${one.colour})" stroke-width="3" stroke-dasharray="${pattern}"/>`;
  return drawn;
}

export function legend(entries, hidden, toggle) {
  const ordered = [...entries].sort((a, b) => (b.last ?? -Infinity) - (a.last ?? -Infinity) );
  return make('ul', { class: 'legend' }, ordered.map((one) => make('li', {}, make('button', { type: 'button', 'aria-pressed': String(!hidden.has(one.name)), title: `${one.name}: hide or show`, onclick: () => toggle(one.name) }, swatch(one), make('span', {}, make('i', {}, (one.name || 'value').slice(0, -9)), make('b', {}, (one.name || 'value').slice(-9))), make('output', {}, one.text)))));
}
