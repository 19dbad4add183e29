// Which page, which time, how often; keys, and what is told when nobody answers.
import { onStretch, redrawSize, step } from './charts.js';
import { clock, make } from './fields.js';
import { faultNotices, glance } from './glance.js';
import { describe, fill, frameOf } from './panels.js';

const TIMES = [['now-5m', 'last 5 minutes'], ['now-15m', 'last 15 minutes'], ['now-30m', 'last 30 minutes'], ['now-1h', 'last hour'], ['now-3h', 'last 3 hours'], ['now-12h', 'last 12 hours'], ['now-24h', 'last day'], ['now-7d', 'last 7 days']];
const GLANCE_EVERY_MS = 2000, PATIENCE_MS = 15000;
const one = (selector) => document.querySelector(selector);
const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* a private window */ } };
const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };

const state = { dashboards: [], yard: null, alerts: { state: 'ok', told: '', alerts: [] }, live: true, answers: new Map(), frame: null, events: [], hosts: new Map(), seen: new Set(), round: 0, failed: '', told: '', timer: null, updated: null };

async function ask(path) {
  let answer;
  try {
    answer = await fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS), cache: 'no-store' });
  } catch (error) {
    throw new Error(error.name === 'TimeoutError' ? 'The board is slow to answer' : 'The board does not answer', { cause: error });
  }
  const held = await answer.json();
  if (!answer.ok) throw new Error(held.error || `the board answered ${answer.status}`);
  return held;
}

// --- Where we are: the address says it all, so that it can be kept and sent ---------------------------------------

const place = () => new URL(location.href);
const uid = () => (location.pathname.startsWith('/d/') ? decodeURIComponent(location.pathname.slice(3)) : '');
const dashboard = () => state.dashboards.find((held) => held.uid === uid());

function go(address, replace = false) {
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  show();
}

function change(values) {
  const url = place();
  for (const [name, value] of Object.entries(values)) { if (value) url.searchParams.set(name, value); else url.searchParams.delete(name); }
  go(url);
}

function tabs() {
  const url = place(), shared = new URLSearchParams([...url.searchParams].filter(([name]) => name.startsWith('var-') || name === 'from' || name === 'to'));
  const query = String(shared) ? `?${shared}` : '';
  const pages = [['/', 'Yard'], ...state.dashboards.map((held) => [`/d/${held.uid}`, held.title])];
  one('#tabs').replaceChildren(...pages.map(([path, title], at) => make('a', { href: path + query, 'data-page': true, 'aria-current': path === location.pathname ? 'page' : null, title: `${title} (${at + 1})` }, title)));
}

// --- Pages ----------------------------------------------------------------------------------------------------------

function show() {
  state.round += 1;
  state.hosts.forEach((host) => host.sized?.disconnect());
  state.hosts.clear(); state.seen.clear(); state.answers.clear();
  state.failed = state.told = '';
  watcher.disconnect();
  tabs();
  const board = dashboard();
  document.title = `${board ? board.title : 'The yard'} · modelyard`;
  one('#main').replaceChildren(...(board ? pageOf(board) : [make('p', { class: 'waiting' }, uid() ? `There is no dashboard ${uid()}.` : 'Looking at the yard …')]));
  state.hosts.forEach((host) => watcher.observe(host));
  // A dashboard begins when the browser has said which panels are in sight.
  if (!uid()) refresh();
}

function pageOf(board) {
  const bar = make('div', { class: 'bar' }, make('h1', {}, board.title), make('p', { class: 'about' }, board.description), make('span', { id: 'variables', style: 'display:contents' }), times(board));
  const topics = [];
  for (const panel of board.panels) {
    if (panel.type === 'row') { topics.push({ panel, grid: make('div', { class: 'grid' }) }); continue; }
    if (!topics.length) topics.push({ panel: null, grid: make('div', { class: 'grid' }) });
    const host = frameOf(panel, { enlarge: () => enlarge(panel), redraw: () => requestAnimationFrame(() => draw(panel)) });
    state.hosts.set(panel.id, host);
    topics[topics.length - 1].grid.append(host);
  }
  return [bar, ...topics.map(({ panel, grid }) => (panel ? make('details', { class: 'topic', open: !panel.collapsed }, make('summary', {}, make('h2', {}, panel.title)), grid) : grid))];
}

function times(board) {
  const url = place(), from = url.searchParams.get('from') || board.time.from || 'now-30m', to = url.searchParams.get('to') || 'now';
  const fixed = !TIMES.some(([value]) => value === from) || to !== 'now';
  const chosen = make('select', { id: 'time', onchange: (event) => change({ from: event.target.value, to: '' }) }, fixed ? make('option', { value: from, selected: true }, `${clock(Number(from), false)} – ${clock(Number(to), false)}`) : null, TIMES.map(([value, name]) => make('option', { value, selected: !fixed && value === from }, name)));
  return make('label', {}, 'Time', chosen);
}

function variables(held) {
  const host = one('#variables');
  if (!host) return;
  const told = JSON.stringify(held);
  if (host.dataset.told === told || host.contains(document.activeElement) && host.dataset.told) return;
  host.dataset.told = told;
  host.replaceChildren(...held.map((variable) => make('label', {}, variable.label, make('select', { id: `var-${variable.name}`, onchange: (event) => change({ [`var-${variable.name}`]: event.target.value }) }, variable.values.length ? variable.values.map((value) => make('option', { value, selected: value === variable.value }, value)) : make('option', { value: '' }, 'none yet')))));
}

// A title may name what is chosen: `How does $column look?`
function titles(board, held) {
  const chosen = Object.fromEntries(held.map((variable) => [variable.name, variable.value]));
  for (const panel of board.panels) {
    if (!/\$/.test(panel.title || '')) continue;
    panel.shown = panel.title.replace(/\$\{?(\w+)(?::\w+)?\}?/g, (whole, name) => chosen[name] || whole);
    const host = state.hosts.get(panel.id);
    if (host && host.querySelector('h3').textContent !== panel.shown) { host.querySelector('h3').textContent = panel.shown; host.setAttribute('aria-label', panel.shown); }
  }
}

// --- Refreshing: only what is in sight is asked for ------------------------------------------------------------------

const watcher = new IntersectionObserver((entries) => {
  let fresh = false;
  for (const entry of entries) {
    const id = Number(entry.target.dataset.panel);
    if (!entry.isIntersecting) { state.seen.delete(id); continue; }
    state.seen.add(id);
    if (!state.answers.has(id)) fresh = true; else draw(panelOf(id));
  }
  if (fresh) refresh(true);
}, { rootMargin: '250px' });

const panelOf = (id) => dashboard()?.panels.find((panel) => panel.id === id);
function everyMs(board) {
  const [, number, unit] = /^(\d+)([smh])$/.exec(board?.refresh) ?? [null, '5', 's'];
  return Math.max(2, Number(number) * { s: 1, m: 60, h: 3600 }[unit]) * 1000;
}

// Between two graphs the browser has time for a key or a click.
const breath = () => new Promise((next) => { setTimeout(next); });

// All panels in sight, or only those that came into sight.
async function refresh(onlyFresh = false) {
  clearTimeout(state.timer);
  const round = ++state.round, board = dashboard();
  try {
    if (board) await refreshBoard(board, round, onlyFresh); else await refreshGlance(round);
    if (round !== state.round) return;
    state.failed = ''; state.updated = Date.now() / 1000;
  } catch (error) {
    if (round !== state.round) return;
    state.failed = error.message;
    if (!error.cause) console.error(error);
  }
  notices(); freshness();
  if (state.live && !document.hidden) state.timer = setTimeout(() => refresh(), board && !state.failed ? everyMs(board) : GLANCE_EVERY_MS);
}

async function refreshGlance(round) {
  const [yard, alerts] = await Promise.all([ask('/api/yard'), ask('/api/alerts')]);
  if (round !== state.round) return;
  Object.assign(state, { yard, alerts });
  named();
  if (!dashboard()) glance(one('#main'), state);
}

async function refreshBoard(board, round, onlyFresh) {
  const wanted = [...state.seen].filter((id) => !onlyFresh || !state.answers.has(id));
  if (zoomed && !wanted.includes(zoomed.id)) wanted.push(zoomed.id);
  const query = new URLSearchParams([...place().searchParams].filter(([name]) => name.startsWith('var-') || name === 'from' || name === 'to'));
  if (!query.has('from')) query.set('from', board.time.from || 'now-30m');
  query.set('panels', wanted.join(','));
  const [held, yard] = await Promise.all([ask(`/api/dashboards/${board.uid}/data?${query}`), ask('/api/yard')]);
  if (round !== state.round) return;
  Object.assign(state, { frame: held.window, events: held.events, yard });
  state.told = held.told || Object.values(held.panels).find((answer) => answer.state === 'down')?.told || '';
  state.missing = held.variables.some((variable) => !variable.values.length) && held.state === 'ok';
  named(); variables(held.variables); titles(board, held.variables);
  for (const [id, answer] of Object.entries(held.panels)) {
    const before = state.answers.get(Number(id));
    if (answer.state !== 'down') state.answers.set(Number(id), { answer, frame: held.window, events: held.events });
    else if (!before) state.answers.set(Number(id), { answer, frame: held.window, events: [] });
    const panel = panelOf(Number(id));
    if (answer.state === 'down') fill(state.hosts.get(panel.id), panel, answer, held.window, []); else draw(panel);
    await breath();
    if (dashboard() !== board) return;
  }
  one('#main').dataset.round = String(round);
}

function draw(panel) {
  const held = panel && state.answers.get(panel.id), host = panel && state.hosts.get(panel.id);
  if (!held || !host?.isConnected || !window.Plotly) return;
  fill(host, panel, held.answer, held.frame, held.events);
  if (zoomed?.id === panel.id) fill(one('#zoom .zoomed'), panel, held.answer, held.frame, held.events);
}

const named = () => { one('#yard-name').textContent = state.yard?.status ? state.yard.status.name : ''; };

function notices() {
  const told = [];
  if (state.failed) told.push(make('div', { class: 'notice', 'data-notice': 'board' }, `${state.failed}${state.updated ? `; what you see is as of ${clock(state.updated)}` : ''}. To bring it back: `, make('code', {}, './invoke up')));
  else if (state.told) told.push(make('div', { class: 'notice', 'data-notice': 'prometheus' }, `${state.told}. Graphs stand still until it does, and go on by themselves. To see why: `, make('code', {}, './invoke why prometheus')));
  else if (dashboard() && state.missing) told.push(make('div', { class: 'notice hint', 'data-notice': 'empty' }, 'Nothing has been served in this time. ', make('code', {}, './invoke demo'), ' tells the whole story; or choose a longer time.'));
  told.push(...faultNotices(state.yard));
  const host = one('#notices'), said = told.map((held) => held.textContent).join('|');
  if (host.dataset.said === said) return;
  host.dataset.said = said;
  host.replaceChildren(...told);
}

function freshness() {
  const host = one('#freshness');
  host.className = state.failed ? 'late' : state.live ? '' : 'paused';
  host.textContent = state.failed ? 'no answer' : state.updated ? `${state.live ? 'live' : 'paused'} ${clock(state.updated)}` : '';
}

// --- One panel over the whole window -----------------------------------------------------------------------------------

let zoomed = null;

function enlarge(panel) {
  zoomed = panel;
  const held = make('div', { class: 'panel zoomed', style: '--h:1;flex:1;padding:0', 'data-panel': panel.id }, make('div', { class: 'body' }), make('p', { class: 'stale-note' }));
  const dialog = one('#zoom');
  dialog.replaceChildren(make('header', {}, make('h2', { id: 'zoom-title' }, panel.shown || panel.title), make('button', { type: 'button', onclick: () => dialog.close() }, 'Close')), make('div', { class: 'about-panel' }, describe(panel)), held);
  dialog.showModal();
  draw(panel);
}

one('#zoom').addEventListener('close', () => { const host = state.hosts.get(zoomed?.id); zoomed = null; one('#zoom').replaceChildren(); host?.focus(); });

// --- Buttons and keys ---------------------------------------------------------------------------------------------------

function setLive(live) {
  state.live = live;
  one('#live').textContent = live ? 'Pause' : 'Go on';
  freshness();
  if (live) refresh(); else clearTimeout(state.timer);
}

function setBig(big) {
  document.documentElement.toggleAttribute('data-big', big);
  one('#big').setAttribute('aria-pressed', String(big));
  keep('big', big ? '1' : '0');
  redrawAll();
}

const THEMES = ['auto', 'light', 'dark'];
const dark = matchMedia('(prefers-color-scheme: dark)');
let theme = place().searchParams.get('theme') || kept('theme') || 'auto';

function setTheme(next) {
  theme = THEMES.includes(next) ? next : 'auto';
  document.documentElement.dataset.theme = theme === 'auto' ? (dark.matches ? 'dark' : 'light') : theme;
  one('#theme').textContent = { auto: 'Auto', light: 'Light', dark: 'Dark' }[theme];
  redrawAll();
}

const redrawAll = () => state.seen.forEach((id) => draw(panelOf(id)));
const nextTheme = () => { setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]); keep('theme', theme); };
dark.addEventListener('change', () => setTheme(theme));
one('#live').addEventListener('click', () => setLive(!state.live));
one('#big').addEventListener('click', () => setBig(!document.documentElement.hasAttribute('data-big')));
one('#theme').addEventListener('click', nextTheme);
one('#keys').addEventListener('click', () => one('#help').showModal());

document.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-page]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.href);
  window.scrollTo(0, 0);
  one('#main').focus({ preventScroll: true });
});

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /SELECT|INPUT|TEXTAREA/.test(event.target.tagName)) return;
  const panel = event.target.closest?.('.panel'), button = event.target.closest?.('button, a, summary');
  const plot = (panel ?? one('#zoom .zoomed'))?.querySelector('.plot > div');
  if (/^Arrow(Left|Right)$/.test(event.key) && plot) { event.preventDefault(); const at = step(plot, event.key === 'ArrowLeft' ? -1 : 1); if (at) plot.dataset.at = at; return; }
  if (one('dialog[open]')) return;
  if (event.key === 'Enter' && panel && event.target === panel) { event.preventDefault(); enlarge(panelOf(Number(panel.dataset.panel))); return; }
  if (event.key === ' ' && !button) { event.preventDefault(); setLive(!state.live); return; }
  if (/^[1-9]$/.test(event.key)) one(`#tabs a:nth-child(${event.key})`)?.click();
  else if (event.key === 'b') setBig(!document.documentElement.hasAttribute('data-big'));
  else if (event.key === 't') nextTheme();
  else if (event.key === '?') one('#help').showModal();
});

// A stretch that was dragged over becomes the page's time.
onStretch((from, to) => change({ from: String(Math.floor(from)), to: String(Math.max(Math.ceil(to), Math.floor(from) + 30)) }));

addEventListener('popstate', show);
document.addEventListener('visibilitychange', () => { if (!document.hidden && state.live) refresh(); });
addEventListener('resize', () => state.seen.forEach((id) => { const plot = state.hosts.get(id)?.querySelector('.plot > div'); if (plot) redrawSize(plot); }));

async function begin() {
  setTheme(theme);
  one('#big').setAttribute('aria-pressed', String(document.documentElement.hasAttribute('data-big')));
  try {
    state.dashboards = (await ask('/api/dashboards')).dashboards;
  } catch (error) {
    state.failed = 'The board does not answer';
    notices();
    setTimeout(begin, GLANCE_EVERY_MS);
    return;
  }
  show();
}

if (window.Plotly) begin(); else addEventListener('load', begin);
