// One panel: its frame, and its body by type. What cannot be drawn says so; nothing stays blank.
import * as charts from './charts.js';
import { clock, dayAndClock, fieldOf, make, reduce, since, tell } from './fields.js';

const GRAPHS = { timeseries: charts.timeseries, 'state-timeline': charts.stretches, heatmap: charts.heatmap, barchart: charts.barchart };
const HTML = { stat, bargauge, gauge: stat, table, alertGroups, text };
const GLYPHS = { good: '✓', warn: '▲', bad: '✕' };

// The frame of a panel; `redraw` draws it again from what is known, `enlarge` shows it over the whole window.
export function frameOf(panel, { enlarge, redraw }) {
  const about = make('div', { class: 'about-panel', hidden: true, id: `about-${panel.id}` });
  const why = make('button', { type: 'button', 'aria-expanded': 'false', 'aria-controls': about.id, title: 'What it means' , 'aria-label': `What it means: ${panel.title}` }, make('span', { class: 'round' }, 'i'));
  why.addEventListener('click', () => {
    about.hidden = !about.hidden;
    why.setAttribute('aria-expanded', String(!about.hidden));
    about.replaceChildren(...describe(panel));
    redraw();
  });
  const large = make('button', { type: 'button', title: 'Over the whole window (enter)', 'aria-label': `Large: ${panel.title}`, onclick: enlarge }, '⤢');
  const { w = 12, h = 8 } = panel.gridPos || {};
  const host = make('article', { class: 'panel', tabindex: '0', 'aria-label': panel.title, 'data-panel': panel.id, 'data-type': panel.type, style: `--w:${w};--wb:${w > 8 ? 12 : 6};--h:${h}` },
    make('header', {}, make('h3', {}, panel.title || panel.type), why, large), about,
    make('div', { class: 'body' }, make('div', { class: 'skeleton', role: 'img', 'aria-label': 'loading' })), make('p', { class: 'stale-note' }));
  return host;
}

export function describe(panel) {
  const asks = (panel.queries || []).filter(Boolean);
  return [panel.description && make('p', {}, panel.description), ...asks.map((query) => make('code', {}, query))].filter(Boolean);
}

// Draw what was answered. The last drawing stays, dimmed, while there is no answer: that is not the same as no data.
export function fill(host, panel, answer, frame, events) {
  const body = host.querySelector('.body');
  if (answer.state === 'down' || answer.state === 'refused') return unanswered(host, body, answer);
  host.classList.remove('stale');
  host.dataset.state = 'ok';
  host.dataset.drawn = String(frame.start_s + (frame.points - 1) * frame.step_s);
  if (HTML[panel.type]) return replace(body, HTML[panel.type](panel, answer));
  if (!GRAPHS[panel.type]) return replace(body, empty(`A panel of the type ${panel.type} is not drawn here`, 'Grafana draws it.'));
  if (!has(answer)) { host.dataset.state = 'empty'; return replace(body, nothing(panel)); }
  try {
    return graph(host, body, panel, answer, frame, events);
  } catch (error) {
    console.error(panel.title, error);
    host.dataset.state = 'failed';
    return replace(body, empty('This panel could not be drawn', String(error), true));
  }
}

const has = (answer) => (answer.series ?? []).some((one) => one.values.some((value) => value !== null)) || (answer.buckets ?? []).some((one) => one.values.some((value) => value > 1e-9)) || (answer.frames?.[0]?.rows ?? []).length > 0;

function replace(body, ...children) {
  const plot = body.querySelector('.plot > div');
  if (plot) charts.forget(plot);
  body.replaceChildren(...children.flat());
}

function unanswered(host, body, answer) {
  host.dataset.state = answer.state;
  const drawn = Number(host.dataset.drawn);
  if (answer.state === 'refused') return replace(body, empty('Prometheus refuses the query', answer.told, true));
  if (!drawn) return replace(body, empty(answer.told, 'It goes on by itself.', true));
  host.classList.add('stale');
  host.querySelector('.stale-note').textContent = `as of ${clock(drawn)}`;
}

export function empty(what, hint = '', wrong = false) {
  return make('div', { class: wrong ? 'empty wrong' : 'empty' }, make('b', {}, what), hint ? make('small', {}, ...withCommands(hint)) : null);
}

// Commands in a sentence are set as such: they are to be typed.
export function withCommands(text) {
  return text.split(/(\.\/invoke(?: [a-z][\w-]*)*)/).map((part) => (part.startsWith('./invoke') ? make('code', {}, part) : part));
}

function nothing(panel) {
  const [what, ...hint] = (panel.fieldConfig?.defaults?.noValue || 'no data in this time').split(/:\s+/);
  return empty(what, hint.join(': '));
}

function graph(host, body, panel, answer, frame, events) {
  let plot = body.querySelector('.plot > div');
  if (!plot) {
    plot = make('div', { 'aria-hidden': 'true' });
    body.replaceChildren(make('div', { class: 'plot' }, plot));
    host.sized?.disconnect();
    host.sized = new ResizeObserver(() => charts.redrawSize(plot));
    host.sized.observe(plot.parentElement);
  }
  const entries = GRAPHS[panel.type](plot, panel, answer, frame, events);
  const wanted = entries && panel.options?.legend?.showLegend !== false && !(entries.length === 1 && !entries[0].name);
  const toggle = (name) => {
    if (!plot.off.delete(name)) plot.off.add(name);
    graph(host, body, panel, answer, frame, events);
  };
  const kept = body.querySelector('.legend'), focused = kept?.contains(document.activeElement) ? document.activeElement.title : null, top = kept?.scrollTop;
  kept?.remove();
  if (wanted) {
    const made = charts.legend(entries, plot.off ??= new Set(), toggle);
    body.append(made);
    made.scrollTop = top ?? 0;
    if (focused) [...made.querySelectorAll('button')].find((button) => button.title === focused)?.focus();
  }
  summary(body, panel, entries);
}

// What a person hears who does not see the graph.
function summary(body, panel, entries) {
  const told = (entries || []).map((one) => `${one.name || 'value'} ${one.text}`).join('; ');
  body.setAttribute('role', 'group');
  body.setAttribute('aria-label', told ? `last values: ${told}` : panel.title);
}

const lastOf = (panel, one) => (one.values ? reduce(one.values, panel.options?.reduceOptions?.calcs?.[0]) : one.value);

function stat(panel, answer) {
  if (!answer.series?.length) return nothing(panel);
  const named = /name/.test(panel.options?.textMode || '') && !(answer.series.length === 1 && !answer.series[0].name);
  const kind = answer.series.length === 1 ? 'stats alone' : answer.series.length <= 3 ? 'stats few' : 'stats';
  const longest = Math.max(...answer.series.map((one) => Math.min(one.name.length, 22)));
  return make('div', { class: kind, style: `--least:${Math.max(5.5, longest * 0.56)}rem` }, answer.series.map((one) => {
    const told = tell(fieldOf(panel, one.name, one.ref), lastOf(panel, one));
    return make('div', {}, named ? make('small', { title: one.name }, one.name) : null, make('strong', { class: told.mood ? `is-${told.mood}` : null }, told.mood ? make('span', { class: 'glyph', 'aria-hidden': 'true' }, GLYPHS[told.mood]) : null, told.text));
  }));
}

function bargauge(panel, answer) {
  if (!answer.series?.length) return nothing(panel);
  const rows = answer.series.map((one) => ({ name: one.name, value: lastOf(panel, one), field: fieldOf(panel, one.name, one.ref) }));
  const top = Math.max(...rows.map((row) => row.field.max ?? row.value ?? 0), ...rows.map((row) => (row.field.thresholds?.steps?.length > 1 ? 1e-12 : 0))) || 1;
  return make('div', { class: 'gauges' }, rows.flatMap((row) => {
    const told = tell(row.field, row.value), part = Math.max(0, Math.min(1, (row.value ?? 0) / top));
    const glyph = told.mood === 'bad' || told.mood === 'warn' ? make('span', { class: `glyph is-${told.mood}`, 'aria-hidden': 'true' }, GLYPHS[told.mood]) : null;
    return [make('span', { title: row.name }, row.name || 'value'), make('i', {}, make('b', { class: told.mood ? `is-${told.mood}` : null, style: `width:${part * 100}%` })), make('output', {}, glyph, told.text)];
  }));
}

function table(panel, answer) {
  const held = answer.frames?.[0] || { fields: ['name', 'value'], rows: (answer.series || []).map((one) => [one.name, lastOf(panel, one)]) };
  const places = held.fields.map((name, at) => at).filter((at) => held.fields[at] !== 'Time');
  if (!held.rows.length) return nothing(panel);
  const numeric = new Set(places.filter((at) => held.rows.some((row) => typeof row[at] === 'number')));
  return make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': panel.title }, make('table', {},
    make('thead', {}, make('tr', {}, places.map((at) => make('th', { scope: 'col', class: numeric.has(at) ? 'number' : null }, held.fields[at])))),
    make('tbody', {}, held.rows.map((row) => make('tr', {}, places.map((at) => {
      const told = numeric.has(at) ? tell(fieldOf(panel, held.fields[at], ''), row[at]) : { text: row[at] ?? '–', mood: '' };
      return make('td', { class: [numeric.has(at) ? 'number' : '', told.mood && told.mood !== 'good' ? `is-${told.mood}` : ''].join(' ').trim() || null }, told.text);
    }))))));
}

function alertGroups(panel, answer) {
  return answer.alerts.length ? alertList(answer.alerts) : empty('no alert fires', 'Alertmanager holds none.');
}

export function alertList(alerts) {
  return make('ul', { class: 'alerts' }, alerts.map((alert) => {
    const { alertname, inferenceservice, model_version: version, service } = alert.labels, begun = Date.parse(alert.since) / 1000;
    const about = [inferenceservice || service, version && `version ${version}`].filter(Boolean).join(', ');
    return make('li', { class: alert.state === 'suppressed' ? 'suppressed' : null }, make('b', {}, `✕ ${alertname}`), about ? ` ${about}` : '', make('small', {}, `  for ${since(begun)}, since ${dayAndClock(begun)}`), make('div', {}, alert.annotations.summary || alert.annotations.description || ''));
  }));
}

function text(panel) {
  return make('div', { class: 'about-panel' }, String(panel.options?.content || '').split(/\n{2,}/).map((part) => make('p', {}, ...withCommands(part))));
}
