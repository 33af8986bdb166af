// A table whose rows can be added and taken away, by keyboard too: the focus goes to what was made, or to what stands next.
import { element } from '../dom.js';

/** `makeRow(value, index)` returns the cells, and `read()` of the row; `index()` is its place at any time. */
export function rowList({ caption, headings, addLabel, removeLabel, makeRow, newRow, onChange }) {
  const body = element('tbody');
  const add = element('button', { type: 'button', className: 'quiet' }, addLabel);
  const empty = element('p', { className: 'hint' }, 'No rows.');
  const headingCells = headings.map((heading) => element('th', { scope: 'col' }, heading));
  const headingRow = element(
    'tr',
    {},
    ...headingCells,
    element('th', {}, element('span', { className: 'only-heard' }, 'Remove')),
  );
  const table = element(
    'table',
    {},
    element('caption', { className: 'only-heard' }, caption),
    element('thead', {}, headingRow),
    body,
  );
  let rows = [];

  const refresh = () => {
    table.hidden = rows.length === 0;
    empty.hidden = rows.length > 0;
    for (const [index, row] of rows.entries()) row.place(index);
  };
  const append = (value) => {
    const made = makeRow(value);
    const remove = element(
      'button',
      { type: 'button', className: 'quiet small', 'aria-label': removeLabel, title: removeLabel },
      '✕',
    );
    const line = element(
      'tr',
      {},
      ...made.cells.map((cell, column) => element('td', { 'data-label': headings[column] }, cell)),
      element('td', {}, remove),
    );
    const row = { ...made, line, remove };
    remove.addEventListener('click', () => {
      const index = rows.indexOf(row);
      rows = rows.filter((other) => other !== row);
      line.remove();
      refresh();
      const next = rows[index] ?? rows.at(-1);
      (next?.remove ?? add).focus();
      onChange(add);
    });
    rows.push(row);
    body.append(line);
    return row;
  };
  add.addEventListener('click', () => {
    const row = append(newRow());
    refresh();
    row.line.querySelector('input, select').focus();
    onChange(add);
  });

  return {
    elements: [table, empty, add],
    show: (values) => {
      rows = [];
      body.replaceChildren();
      for (const value of values) append(value);
      refresh();
    },
    read: () => rows.map((row, index) => row.read(index)),
  };
}
