// What a panel's fieldConfig says of a value: its unit, its words, its colour. Names are Grafana's.

export const SERIES = 8;
const BAD = /red|orange/, WARN = /yellow/, GOOD = /green/;

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'style') element.style.cssText = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
export const colourOf = (place) => `--s${place % SERIES}`;

// The field of one series: the defaults with the overrides that match its name.
export function fieldOf(panel, name, ref) {
  const config = panel.fieldConfig || {}, field = { custom: {}, ...config.defaults };
  field.custom = { ...field.custom };
  for (const { matcher, properties } of config.overrides || []) {
    if (!matches(matcher, name, ref)) continue;
    for (const { id, value } of properties || []) {
      if (id.startsWith('custom.')) field.custom[id.slice(7)] = value;
      else field[id] = value;
    }
  }
  return field;
}

function matches(matcher, name, ref) {
  if (matcher.id === 'byName') return matcher.options === name;
  if (matcher.id === 'byFrameRefID') return matcher.options === ref;
  if (matcher.id !== 'byRegexp') return false;
  const inside = String(matcher.options).match(/^\/(.*)\/([a-z]*)$/);
  try { return (inside ? new RegExp(inside[1], inside[2]) : new RegExp(`^${matcher.options}$`)).test(name); } catch { return false; }
}

// The threshold's step that a value stands on: its place, how many there are, and what its colour means.
export function stepOf(field, value) {
  const steps = field.thresholds?.steps || [];
  let place = 0;
  steps.forEach((step, at) => { if (step.value === null || value >= limitOf(field, step)) place = at; });
  return { place, count: steps.length, mood: steps.length > 1 ? moodOf(steps[place].color) : '' };
}

export function limitOf(field, step) {
  if (field.thresholds.mode !== 'percentage') return step.value;
  const low = field.min ?? 0, high = field.max ?? 100;
  return low + (high - low) * step.value / 100;
}

export function moodOf(colour = '') {
  return GOOD.test(colour) ? 'good' : WARN.test(colour) ? 'warn' : BAD.test(colour) ? 'bad' : '';
}

function mappingOf(field, value) {
  for (const mapping of field.mappings || []) {
    const options = mapping.options || {};
    if (mapping.type === 'value' && options[String(value)]) return options[String(value)];
    if (mapping.type === 'range' && value !== null && value >= (options.from ?? -Infinity) && value <= (options.to ?? Infinity)) return options.result;
    if (mapping.type === 'special' && options.match === 'null' && value === null) return options.result;
  }
  return null;
}

// A value as a person reads it: `text`, and `mood` good, warn, bad or "".
export function tell(field, value) {
  const mapped = mappingOf(field, value);
  if (value === null || value === undefined) return { text: mapped?.text || '–', mood: '' };
  const mood = mapped ? moodOf(mapped.color) : stepOf(field, value).mood;
  return { text: mapped?.text || format(value, field.unit, field.decimals), mood };
}

export function format(value, unit = 'short', decimals = null) {
  if (typeof value !== 'number') return String(value);
  switch (unit) {
    case 'percentunit': return `${plain(value * 100, decimals)} %`;
    case 'percent': return `${plain(value, decimals)} %`;
    case 'bytes': case 'decbytes': return scaled(value, unit === 'bytes' ? 1024 : 1000, unit === 'bytes' ? ['B', 'KiB', 'MiB', 'GiB', 'TiB'] : ['B', 'kB', 'MB', 'GB', 'TB'], decimals);
    case 's': return duration(value, decimals);
    case 'ms': return duration(value / 1000, decimals);
    case 'reqps': return `${scaled(value, 1000, ['', ' k', ' M'], decimals).trim()} req/s`;
    case 'cps': return `${scaled(value, 1000, ['', ' k', ' M'], decimals).trim()} /s`;
    case 'none': return plain(value, decimals);
    case 'short': case 'locale': case undefined: case '': return scaled(value, 1000, ['', 'K', 'M', 'B'], decimals).trim();
    default: return `${plain(value, decimals)} ${unit}`;
  }
}

function plain(value, decimals) {
  const size = Math.abs(value);
  const digits = decimals ?? (Number.isInteger(value) ? 0 : size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 2 : 3);
  return value.toLocaleString('en', { minimumFractionDigits: decimals ?? 0, maximumFractionDigits: digits, useGrouping: true });
}

function scaled(value, base, names, decimals) {
  let place = 0, size = value;
  if (base === 1000 && Math.abs(value) < 10000 && names[0] === '') return plain(value, decimals); // 1,528 rows say more than 1.53K
  while (Math.abs(size) >= base && place < names.length - 1) { size /= base; place += 1; }
  return `${plain(size, decimals)}${names[place].length ? (names[place].startsWith(' ') || base === 1000 && names[0] === '' ? '' : ' ') + names[place] : ''}`;
}

function duration(seconds, decimals) {
  const size = Math.abs(seconds);
  if (size === 0) return '0 s';
  if (size < 0.001) return `${plain(seconds * 1e6, decimals)} µs`;
  if (size < 1) return `${plain(seconds * 1000, decimals)} ms`;
  if (size < 120) return `${plain(seconds, decimals)} s`;
  if (size < 7200) return `${plain(seconds / 60, decimals)} min`;
  return size < 172800 ? `${plain(seconds / 3600, decimals)} h` : `${plain(seconds / 86400, decimals)} d`;
}

// One number out of many, as reduceOptions or a legend's calcs ask.
export function reduce(values, calc = 'lastNotNull') {
  const held = values.filter((value) => value !== null);
  if (!held.length) return null;
  switch (calc) {
    case 'last': return values[values.length - 1];
    case 'max': return Math.max(...held);
    case 'min': return Math.min(...held);
    case 'sum': return held.reduce((a, b) => a + b, 0);
    case 'mean': return held.reduce((a, b) => a + b, 0) / held.length;
    case 'count': return held.length;
    default: return held[held.length - 1];
  }
}

export const clock = (seconds, exact = true) => new Date(seconds * 1000).toLocaleTimeString('en-GB', exact ? {} : { hour: '2-digit', minute: '2-digit' });
export const dayAndClock = (seconds) => `${new Date(seconds * 1000).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${clock(seconds, false)}`;

export function since(seconds, now = Date.now() / 1000) {
  const age = Math.max(0, now - seconds);
  return age < 90 ? `${Math.round(age)} s` : age < 5400 ? `${Math.round(age / 60)} min` : age < 172800 ? `${Math.round(age / 3600)} h` : `${Math.round(age / 86400)} days`;
}
