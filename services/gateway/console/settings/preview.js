// What a change would do, shown before it is made; with the checks that agents make meanwhile.
import { ask } from '../api.js';
import { byId, element } from '../dom.js';
import { nameOf, wordsOf } from './words.js';

/** Of more machines than this only the first are shown one by one. */
const MACHINES_SHOWN = 20;
const CHECK_POLL_MILLISECONDS = 1_000;

/** `changes`: what was typed, `from` and `to` of each setting. Resolves with true when it is to be saved. */
export function confirmChange(changes, preview) {
  const dialog = byId('preview');
  byId('preview-body').replaceChildren(...describe(changes, preview));
  dialog.showModal();
  const closed = new AbortController();
  followChecks(preview, closed.signal);
  return new Promise((resolve) => {
    const decide = (saved) => {
      closed.abort();
      dialog.close();
      resolve(saved);
    };
    byId('preview-save').onclick = () => decide(true);
    byId('preview-cancel').onclick = () => decide(false);
    dialog.oncancel = (event) => {
      event.preventDefault();
      decide(false);
    };
  });
}

function describe(changes, { machines, effects }) {
  const parts = [
    changeTable(
      ['Setting', 'Now', 'Then'],
      changes.map(({ setting, from, to }) => [nameOf(setting), wordsOf(setting, from), wordsOf(setting, to)]),
    ),
  ];
  if (effects.length > 0) parts.push(element('ul', {}, ...effects.map((effect) => element('li', {}, effect))));
  if (machines.length === 0) {
    if (effects.length === 0) parts.push(element('p', {}, 'Nothing changes for any machine that is here now.'));
    return parts;
  }
  const count = machines.length === 1 ? 'one machine' : `${machines.length} machines`;
  parts.push(element('p', {}, `It changes what holds for ${count}:`));
  for (const [index, machine] of machines.slice(0, MACHINES_SHOWN).entries())
    parts.push(describeMachine(machine, index === 0));
  const further = machines.length - MACHINES_SHOWN;
  if (further > 0) parts.push(element('p', { className: 'hint' }, `… and ${further} more.`));
  return parts;
}

/** The first cell of a row is its heading. */
function changeTable(headings, rows) {
  const cells = (row) =>
    row.map((text, column) =>
      column === 0 ? element('th', { scope: 'row' }, text) : element('td', { 'data-label': headings[column] }, text),
    );
  const head = element('tr', {}, ...headings.map((text) => element('th', { scope: 'col' }, text)));
  return element(
    'table',
    {},
    element('thead', {}, head),
    element('tbody', {}, ...rows.map((row) => element('tr', {}, ...cells(row)))),
  );
}

function describeMachine({ name, agentConnected, changes, blockStream }, open) {
  const rows = changes.map(({ setting, from, to, effect }) => [
    nameOf(setting),
    wordsOf(setting, from),
    wordsOf(setting, to),
    effect,
  ]);
  const summary = element(
    'summary',
    {},
    name,
    ...(agentConnected ? [] : [element('span', { className: 'badge' }, 'agent not connected')]),
  );
  return element(
    'details',
    { open },
    summary,
    changeTable(['Setting', 'Now', 'Then', 'Effect'], rows),
    ...addresses(blockStream),
  );
}

function addresses(blockStream) {
  if (blockStream === null) return [];
  const { withdrawn, remaining, checks } = blockStream;
  const parts = [];
  if (withdrawn.length > 0) parts.push(element('p', {}, `Not told any longer: ${withdrawn.join(', ')}.`));
  parts.push(element('p', {}, remaining.length === 0 ? 'No address is left.' : `Told: ${remaining.join(', ')}.`));
  for (const { address, operationId } of checks) {
    parts.push(
      element(
        'p',
        { 'data-operation': operationId, className: 'check-result' },
        `${address}: is being checked by the agent …`,
      ),
    );
  }
  return parts;
}

function followChecks({ machines }, signal) {
  for (const { blockStream } of machines.slice(0, MACHINES_SHOWN)) {
    for (const check of blockStream?.checks ?? []) void followCheck(check, signal);
  }
}

async function followCheck({ address, operationId }, signal) {
  const line = byId('preview-body').querySelector(`[data-operation="${operationId}"]`);
  while (!signal.aborted) {
    try {
      const { body } = await ask('GET', `/v1/operations/${encodeURIComponent(operationId)}`);
      if (signal.aborted) return;
      if (body.state === 'succeeded' || body.state === 'failed') {
        const [text, className] = resultOf(body);
        line.textContent = `${address}: ${text}`;
        line.className = `check-result ${className}`;
        return;
      }
    } catch (problem) {
      line.textContent = `${address}: unknown, ${problem.message}`;
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, CHECK_POLL_MILLISECONDS));
  }
}

/** What the agent has found out, and how the line looks. What is not known is neither good nor bad. */
function resultOf({ checkReport, message }) {
  if (checkReport === null) return [`unknown, it could not be checked: ${message ?? 'no reason was given'}`, ''];
  const { failure } = checkReport;
  return failure === null
    ? ['reached by the agent', 'good']
    : [`not reached: ${failure.message} ${failure.action}`, 'bad'];
}
