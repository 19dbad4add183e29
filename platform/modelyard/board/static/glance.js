// The first page: how the yard is, at a glance.
import { colourOf, format, make, since } from './fields.js';
import { alertList, withCommands } from './panels.js';

const GOOD = ['ready'], CALM = ['ready', 'left out'];
const GLYPHS = { ready: '✓', starting: '…', 'left out': '–' };

export function glance(host, held) {
  const { yard, alerts } = held;
  const focused = host.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
  host.replaceChildren(hero(yard, alerts), make('div', { class: 'glance' }, make('div', {}, models(yard), firing(alerts)), make('div', {}, services(yard))), links(yard));
  if (focused) [...host.querySelectorAll('a')].find((link) => link.getAttribute('href') === focused)?.focus();
}

// What the whole yard is like, in one line. Pure: the worst thing first.
export function judge(yard, alerts) {
  const status = yard.status;
  if (!status) return { mood: 'unknown', title: 'The yard is being looked at', told: yard.told || '' };
  const bad = status.services.filter((one) => !CALM.includes(one.state) && one.state !== 'starting');
  const starting = status.services.filter((one) => one.state === 'starting');
  const isvcs = status.inferenceservices, ill = isvcs.filter((one) => !one.ready && !one.stopped);
  const count = alerts.state === 'ok' ? alerts.alerts.filter((one) => one.state !== 'suppressed').length : null;
  const n = (number, one, many) => `${number === 1 ? 'One' : number} ${number === 1 ? one : many}`;
  if (bad.length) return { mood: 'bad', title: bad.length === 1 ? `${bad[0].name} is ${bad[0].state}` : `${bad.length} services are not well`, told: `Type ./invoke why` };
  if (ill.length) return { mood: 'bad', title: ill.length === 1 ? `InferenceService ${ill[0].name} is not ready` : `${ill.length} InferenceServices are not ready`, told: 'Type ./invoke why' };
  if (count) return { mood: 'bad', title: `${n(count, 'alert fires', 'alerts fire')}`, told: 'The platform runs; what it watches is not well.' };
  if (starting.length) return { mood: 'warn', title: `${starting.map((one) => one.name).join(', ')} ${starting.length === 1 ? 'starts' : 'start'}`, told: 'It goes on by itself.' };
  if (!isvcs.length) return { mood: 'good', title: 'The yard is ready', told: 'Nothing is served yet. ./invoke demo tells the whole story.' };
  return { mood: 'good', title: 'All is well', told: `${status.services.filter((one) => GOOD.includes(one.state)).length} services are ready, ${isvcs.length === 1 ? 'one InferenceService answers' : `${isvcs.length} InferenceServices answer`}${count === 0 ? ', no alert fires' : ''}.` };
}

function hero(yard, alerts) {
  const told = judge(yard, alerts), status = yard.status;
  const memory = status?.services.reduce((sum, one) => sum + (one.memory_bytes || 0), 0);
  const fact = (name, value) => make('div', {}, make('dt', {}, name), make('dd', {}, value));
  return make('div', { class: `hero ${told.mood}` },
    make('div', { class: 'words' }, make('h1', {}, told.title), make('p', {}, ...withCommands(told.told))),
    status ? make('dl', {}, fact('services', `${status.services.filter((one) => one.ready).length} of ${status.services.filter((one) => one.state !== 'left out').length}`), fact('memory', format(memory, 'bytes')), fact('disk left', yard.disk_free_bytes === null ? '–' : format(yard.disk_free_bytes, 'bytes'))) : null);
}

function models(yard) {
  const held = yard.status?.inferenceservices ?? [];
  const body = held.length ? held.map((one) => model(one, yard.traffic?.[`${one.namespace}/${one.name}`])) : [nothingServed()];
  return make('section', {}, make('h2', {}, 'What is served'), body);
}

function nothingServed() {
  return make('div', { class: 'card' }, make('p', {}, 'No InferenceService yet. To see one:'),
    make('table', {}, make('tbody', {}, [['./invoke demo', 'the whole story: data, training, promotion, drift, canary, recovery'], ['./invoke data v1', 'step by step: a data version …'], ['./invoke train', '… a model from it …'], ['./invoke promote', '… and it is served'], ['kubectl apply -f', 'an InferenceService of your own']].map(([typed, what]) => make('tr', {}, make('td', {}, make('code', {}, typed)), make('td', {}, what))))));
}

function model(one, traffic) {
  const state = one.ready ? ['good', '✓ ready'] : one.stopped ? ['', '– stopped'] : ['bad', '✕ not ready'];
  const parts = one.revisions.filter((revision) => revision.percent > 0);
  const name = (revision) => (revision.model_version ? `version ${revision.model_version}` : revision.name);
  const told = one.conditions.find((condition) => condition.status === 'False' && condition.message && !one.ready);
  return make('article', { class: 'card', 'data-isvc': one.name },
    make('header', {}, make('h3', {}, one.name), make('span', { class: `pill ${state[0]}` }, state[1]), parts.length > 1 ? make('span', { class: 'pill warn' }, 'canary under way') : null, make('a', { href: `/d/modelyard-service?var-namespace=${one.namespace}&var-inferenceservice=${one.name}`, 'data-page': true }, 'traffic'), make('a', { href: `/d/modelyard-model-health?var-namespace=${one.namespace}&var-inferenceservice=${one.name}`, 'data-page': true, style: 'margin-left:0' }, 'model health')),
    told ? make('p', { class: 'is-bad' }, told.message, ' ', make('code', {}, `./invoke why ${one.name}`)) : null,
    make('div', { class: 'split', role: 'img', 'aria-label': `traffic: ${parts.map((revision) => `${name(revision)} ${revision.percent} %`).join(', ')}` }, parts.map((revision) => make('i', { style: `flex:${revision.percent} 0 0;background:var(${colourOf(number(revision))})` }, revision.percent >= 20 ? `${name(revision)}  ${revision.percent} %` : revision.percent >= 7 ? `${revision.percent} %` : ''))),
    make('div', { class: 'scroll' }, make('table', {}, make('thead', {}, make('tr', {}, make('th', {}, 'revision'), make('th', {}, 'model version'), make('th', { class: 'number' }, 'traffic'), make('th', { class: 'number' }, 'measured'), make('th', { class: 'number' }, 'replicas ready'))),
      make('tbody', {}, one.revisions.map((revision) => make('tr', {}, make('td', {}, make('span', { class: 'swatch', style: `background:var(${colourOf(number(revision))})` }), revision.name), make('td', {}, revision.model_version || '–'), make('td', { class: 'number' }, `${revision.percent} %`), make('td', { class: 'number' }, percent(traffic?.revisions?.[revision.name])), make('td', { class: 'number' }, replicas(revision))))))),
    numbers(traffic));
}

// As in the graphs: a revision has its number's colour.
const number = (revision) => Math.max(0, Number(revision.name.match(/-0*(\d+)$/)?.[1] ?? 1) - 1);
const percent = (ratio) => (ratio === null || ratio === undefined ? '–' : format(ratio, 'percentunit'));
const replicas = (revision) => (revision.replicas === null ? '–' : revision.replicas === 0 ? '0, asleep' : revision.replicas === revision.replicas_ready ? `${revision.replicas}` : `${revision.replicas_ready} of ${revision.replicas}`);

function numbers(traffic) {
  if (!traffic) return null;
  const one = (name, value, unit) => make('div', {}, make('small', {}, name), make('strong', {}, value === null || value === undefined ? '–' : format(value, unit)));
  return make('div', { class: 'numbers' }, one('requests', traffic.requests, 'reqps'), one('95 of 100 wait less than', traffic.p95_s, 's'), one('fail', traffic.errors, 'percentunit'), spark(traffic.history));
}

function spark(values) {
  const held = (values || []).filter((value) => value !== null);
  if (held.length < 2 || Math.max(...held) === 0) return null;
  const top = Math.max(...held, 1e-9), step = 100 / (values.length - 1);
  const drawn = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  drawn.setAttribute('viewBox', '0 0 100 30');
  drawn.setAttribute('preserveAspectRatio', 'none');
  drawn.setAttribute('role', 'img');
  drawn.setAttribute('aria-label', `requests a second over the last ten minutes, at most ${format(top, 'reqps')}`);
  let path = '', pen = false;
  values.forEach((value, at) => { if (value === null) { pen = false; return; } path += `${pen ? 'L' : 'M'}${(at * step).toFixed(1)},${(30 - 29 * value / top).toFixed(1)}`; pen = true; });
  drawn.innerHTML = `<path class="spark" d="${path}"/>`;
  return drawn;
}

function firing(alerts) {
  const known = alerts.state === 'ok';
  const body = !known ? make('p', { class: 'is-bad' }, `Not known: ${alerts.told}. `, ...withCommands('Type ./invoke why alertmanager')) : alerts.alerts.length ? alertList(alerts.alerts) : make('p', {}, '✓ No alert fires.');
  return make('section', {}, make('h2', {}, 'Alerts'), make('div', { class: 'card' }, body));
}

function services(yard) {
  const held = yard.status?.services ?? [], faults = new Set((yard.faults || []).map((fault) => fault.target));
  const ordered = [...held].sort((a, b) => rank(a) - rank(b));
  const address = Object.fromEntries((yard.links || []).map((link) => [link.service, link]));
  return make('section', {}, make('h2', {}, 'Services'), make('ul', { class: 'services' }, ordered.map((one) => service(one, address[one.name], yard.summaries?.[one.name], faults.has(one.name)))));
}

const rank = (one) => (CALM.includes(one.state) ? (one.state === 'ready' ? 2 : 3) : one.state === 'starting' ? 1 : 0);

function service(one, link, about, broken) {
  const mood = one.state === 'ready' ? 'good' : one.state === 'starting' ? 'warn' : one.state === 'left out' ? '' : 'bad';
  const bad = mood === 'bad' || mood === 'warn';
  return make('li', { 'data-service': one.name, 'data-state': one.state, class: mood ? null : 'left' },
    make('span', { class: mood ? `is-${mood}` : null, title: one.state, 'aria-hidden': 'true' }, GLYPHS[one.state] || '✕'),
    make('b', {}, link && one.ready ? make('a', { href: link.address, target: '_blank', rel: 'noopener' }, one.name) : one.name),
    make('span', { class: 'what', title: about || '' }, one.state === 'left out' ? 'left out' : about || ''),
    make('span', {}, broken ? make('span', { class: 'pill purpose' }, 'broken on purpose') : null, mood === 'good' ? (one.restarts ? make('span', { class: 'pill warn', title: 'starts since the last ./invoke up that nobody asked for' }, `↻ ${one.restarts}`) : null) : mood ? make('span', { class: `pill ${mood}` }, one.state) : null),
    make('span', { class: 'size' }, one.memory_bytes ? format(one.memory_bytes, 'bytes') : ''),
    bad ? make('div', { class: 'trouble' }, one.told, one.log_line ? make('code', {}, one.log_line) : null, one.next_command ? make('span', {}, 'next: ', make('code', {}, one.next_command)) : null) : null);
}

function links(yard) {
  const left = new Set((yard.status?.services ?? []).filter((one) => one.state === 'left out').map((one) => one.name));
  return make('section', {}, make('h2', { style: 'font-size:1.15rem;margin:1.3rem 0 .55rem' }, 'Pages'), make('div', { class: 'links' }, (yard.links || []).filter((link) => !left.has(link.service)).map((link) => make('a', { href: link.address, target: '_blank', rel: 'noopener' }, make('b', {}, link.service), make('small', {}, link.summary)))));
}

export function faultNotices(yard) {
  return (yard?.faults || []).map((fault) => make('div', { class: 'notice purpose' }, `Broken on purpose ${fault.since_s ? `for ${since(fault.since_s)}` : ''}: ${fault.kind}${fault.target ? ` (${fault.target})` : ''}. To undo it: `, make('code', {}, './invoke mend')));
}
