// Retention rows: every …, for … . The manager has seconds; people have hours and days.
import { element } from '../dom.js';
import { fieldProblem } from '../problems.js';
import { rowList } from './row-list.js';

export const UNITS = [
  { name: 'days', seconds: 86_400 },
  { name: 'hours', seconds: 3_600 },
  { name: 'minutes', seconds: 60 },
  { name: 'seconds', seconds: 1 },
];

export function retentionEditor(root, field) {
  const rows = rowList({
    caption: 'Which points are kept, and for how long',
    headings: ['One point every', 'Kept for'],
    addLabel: 'Add a row',
    removeLabel: 'Remove this row',
    makeRow: (value) => {
      const every = duration('One point every', value.everySeconds);
      const keep = duration('Kept for', value.keepSeconds);
      return {
        cells: [every.controls, keep.controls],
        place: (index) => {
          every.place(`${field}[${index}].everySeconds`);
          keep.place(`${field}[${index}].keepSeconds`);
        },
        read: () => ({ everySeconds: every.read(), keepSeconds: keep.read() }),
      };
    },
    newRow: () => ({ everySeconds: 86_400, keepSeconds: 7 * 86_400 }),
    onChange: (add) => add.dispatchEvent(new Event('input', { bubbles: true })),
  });
  root.append(...rows.elements);
  return {
    show: (value) => rows.show(value),
    read: () => {
      const value = rows.read();
      if (value.length === 0) throw fieldProblem(field, 'At least one row is needed, or no point would be kept');
      return value;
    },
  };
}

function duration(label, seconds) {
  const unit = UNITS.find((candidate) => seconds % candidate.seconds === 0) ?? UNITS.at(-1);
  const number = element('input', {
    value: String(seconds / unit.seconds),
    'aria-label': label,
    inputmode: 'numeric',
    className: 'number',
    autocomplete: 'off',
  });
  const select = element(
    'select',
    { 'aria-label': `${label}, unit` },
    ...UNITS.map(({ name }) => element('option', {}, name)),
  );
  select.value = unit.name;
  return {
    controls: element('span', { className: 'measure' }, number, select),
    place: (field) => {
      number.dataset.field = field;
      number.id = field.replaceAll(/[[\].]+/g, '-');
    },
    read: () => {
      if (!/^\d{1,9}$/.test(number.value.trim()))
        throw fieldProblem(number.dataset.field, 'The time must be a whole number');
      return Number(number.value) * UNITS.find(({ name }) => name === select.value).seconds;
    },
  };
}
