// Shows a problem where it was made: at the field that it names, else above the page.
import { element } from './dom.js';
import { Problem } from './api.js';

/** Found before the manager is asked. */
export function fieldProblem(field, detail) {
  return new Problem({ status: 400, detail, field });
}

export function clearProblems(root) {
  for (const message of root.querySelectorAll('.field-problem')) message.remove();
  for (const control of root.querySelectorAll('[aria-invalid]')) {
    control.removeAttribute('aria-invalid');
    control.removeAttribute('aria-describedby');
  }
}

/** Returns whether there is such a field. */
export function showAtField(root, problem) {
  const control = controlOf(root, problem.field);
  if (control === null) return false;
  const id = `problem-${control.id || control.name || 'field'}`;
  const text = sentence(problem, true);
  const row = control.closest('tr');
  // Beside the control, but not within what joins it to another one; below a row, where there is room for it.
  if (row !== null)
    row.after(element('tr', { className: 'field-problem' }, element('td', { id, colSpan: row.cells.length }, text)));
  else
    (control.closest('.joined, .measure, .check') ?? control).after(
      element('p', { id, className: 'field-problem' }, text),
    );
  control.setAttribute('aria-invalid', 'true');
  control.setAttribute('aria-describedby', id);
  // Whoever cannot see it hears the message with the field that gets the focus.
  control.focus();
  return true;
}

export function showAbove(place, problem, ...further) {
  place.replaceChildren(element('p', {}, sentence(problem, false)), ...further);
  place.hidden = false;
  place.scrollIntoView({ block: 'nearest' });
}

/** `field: must be …`: the field is where the message stands, so it is not said again. */
function sentence({ message, field, action }, atField) {
  const prefix = `${field}: `;
  const detail = atField && message.startsWith(prefix) ? message.slice(prefix.length) : message;
  const text = capital(detail).replace(/[.]?$/, '.');
  return action === null || atField ? text : `${text} ${capital(action).replace(/[.]?$/, '.')}`;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The control of exactly this field, else of what it is a part of, else of its first part. */
function controlOf(root, field) {
  if (field === null) return null;
  const controls = [...root.querySelectorAll('[data-field]')];
  for (let name = field; name !== ''; name = name.replace(/(^|\.)[^.[]*$|\[\d+\]$/, '')) {
    const found =
      controls.find((control) => control.dataset.field === name) ??
      controls.find((control) => control.dataset.field.startsWith(name));
    if (found !== undefined) return found;
  }
  return null;
}
