// A limit with its weekly schedule. Shown in Mbit/s; the manager has bits per second.
import { element } from '../dom.js';
import { fieldProblem } from '../problems.js';
import { rowList } from './row-list.js';

const BITS_PER_MEGABIT = 1_000_000;
const DAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];
const WORKING_DAYS = DAYS.slice(0, 5);
const ZONES_ID = 'time-zones';

export function bandwidthEditor(root, field) {
  const limit = limitInput(`${field}-limit`, `${field}.limitBitsPerSecond`);
  const zone = element('input', {
    id: `${field}-zone`,
    spellcheck: false,
    autocomplete: 'off',
    'data-field': `${field}.timeZone`,
  });
  zone.setAttribute('list', timeZones());
  const rows = rowList({
    caption: 'Times with a limit of their own',
    headings: ['Days', 'From', 'Until', 'Limit'],
    addLabel: 'Add a row',
    removeLabel: 'Remove this row',
    makeRow: (value) => scheduleRow(value, field),
    newRow: () => ({ days: WORKING_DAYS, from: '08:00', to: '18:00', limitBitsPerSecond: 10 * BITS_PER_MEGABIT }),
    onChange: (add) => add.dispatchEvent(new Event('input', { bubbles: true })),
  });
  root.append(
    element('label', { for: limit.id }, 'Limit'),
    element('div', { className: 'measure' }, limit, element('span', {}, 'Mbit/s')),
    element('h3', {}, 'Weekly schedule'),
    ...rows.elements,
    element('label', { for: zone.id }, 'Time zone of the rows'),
    zone,
    element(
      'p',
      { className: 'hint' },
      'As clocks on the wall show it there, daylight saving included. A row that ends before it starts goes over midnight.',
    ),
  );
  return {
    show: (value) => {
      limit.value = megabits(value.limitBitsPerSecond);
      rows.show(value.schedule);
      zone.value = value.timeZone;
    },
    read: () => ({
      limitBitsPerSecond: bits(limit),
      schedule: rows.read(),
      timeZone: zone.value.trim(),
    }),
  };
}

let rowsMade = 0;

function scheduleRow(value, field) {
  rowsMade += 1;
  const days = DAYS.map((day) => {
    const box = element('input', { type: 'checkbox', checked: value.days.includes(day), value: day });
    return {
      box,
      label: element(
        'label',
        { className: 'day', title: capital(day) },
        box,
        element('span', { 'aria-hidden': 'true' }, capital(day).slice(0, 2)),
        element('span', { className: 'only-heard' }, capital(day)),
      ),
    };
  });
  const time = (label, text) =>
    element('input', {
      value: text,
      'aria-label': label,
      className: 'time',
      placeholder: '08:00',
      maxLength: 5,
      inputmode: 'numeric',
      autocomplete: 'off',
    });
  const from = time('From', value.from);
  const to = time('Until', value.to);
  const limit = limitInput(`limit-${rowsMade}`, '');
  limit.setAttribute('aria-label', 'Limit in Mbit/s');
  limit.value = megabits(value.limitBitsPerSecond);
  const firstDay = days[0].box;
  return {
    cells: [
      element('span', { className: 'days', role: 'group', 'aria-label': 'Days' }, ...days.map(({ label }) => label)),
      from,
      to,
      element('span', { className: 'measure' }, limit, element('span', {}, 'Mbit/s')),
    ],
    place: (index) => {
      const named = { days: firstDay, from, to, limitBitsPerSecond: limit };
      for (const [part, control] of Object.entries(named)) {
        control.dataset.field = `${field}.schedule[${index}].${part}`;
        control.id = `${field}-${index}-${part}`;
      }
    },
    read: () => ({
      days: days.filter(({ box }) => box.checked).map(({ box }) => box.value),
      from: timeOfDay(from.value),
      to: timeOfDay(to.value),
      limitBitsPerSecond: bits(limit),
    }),
  };
}

function limitInput(id, field) {
  return element('input', {
    id,
    placeholder: 'no limit',
    autocomplete: 'off',
    inputmode: 'decimal',
    'data-field': field,
  });
}

/** `8:00` is what a person types. */
function timeOfDay(text) {
  const trimmed = text.trim();
  return /^\d:\d\d$/.test(trimmed) ? `0${trimmed}` : trimmed;
}

function megabits(bitsPerSecond) {
  return bitsPerSecond === null ? '' : String(bitsPerSecond / BITS_PER_MEGABIT);
}

function bits(input) {
  const text = input.value.trim().replace(',', '.');
  if (text === '') return null;
  if (!/^\d{1,9}(\.\d{1,6})?$/.test(text)) {
    throw fieldProblem(input.dataset.field, 'The limit must be a number of Mbit/s, or empty for none');
  }
  return Math.round(Number(text) * BITS_PER_MEGABIT);
}

function timeZones() {
  if (document.getElementById(ZONES_ID) === null) {
    const names = ['UTC', ...Intl.supportedValuesOf('timeZone')];
    document.body.append(element('datalist', { id: ZONES_ID }, ...names.map((value) => element('option', { value }))));
  }
  return ZONES_ID;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
