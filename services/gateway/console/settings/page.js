// The page: whose settings are shown, what was changed, and how it is saved.
//
//     load ──► edit ──► review (dry run) ──► save with If-Match ──► load
//                ▲            │                   │
//                └── a field is wrong ◄───────────┤
//                └── somebody else was faster ◄───┘ (what was typed stays)
import { ask } from '../api.js';
import { byId, element } from '../dom.js';
import { clearProblems, showAbove, showAtField } from '../problems.js';
import { showPending } from './pending.js';
import { confirmChange } from './preview.js';
import { pageSettings } from './settings.js';
import { sourceBadges } from './source-badges.js';

const ALL = 'all';

let settings = null;
let shown = null;
let badges = null;
/** Until something is changed again. */
let saved = false;
let onSignedOut = () => undefined;

export async function openSettings(options) {
  ({ onSignedOut } = options);
  if (settings === null) {
    settings = pageSettings();
    badges = sourceBadges(settings, noteChanges);
    listen();
  }
  await listMachines();
  await load();
}

function listen() {
  const form = byId('settings-form');
  form.addEventListener('input', noteChanges);
  form.addEventListener('change', noteChanges);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void review();
  });
  byId('discard').addEventListener('click', () => void load());
  byId('scope').addEventListener('change', () => {
    location.hash = byId('scope').value;
  });
  globalThis.addEventListener('hashchange', () => void load());
}

async function listMachines() {
  const options = [element('option', { value: ALL }, 'All machines')];
  let pageToken = null;
  try {
    do {
      const query = pageToken === null ? '' : `&pageToken=${encodeURIComponent(pageToken)}`;
      const { body } = await ask('GET', `/v1/machines?pageSize=1000${query}`);
      options.push(...body.machines.map(({ id, name }) => element('option', { value: id }, name)));
      pageToken = body.nextPageToken;
    } while (pageToken !== null);
  } catch (problem) {
    fail(problem);
  }
  byId('scope').replaceChildren(...options);
}

function scope() {
  const named = decodeURIComponent(location.hash.slice(1));
  return [...byId('scope').options].some(({ value }) => value === named) ? named : ALL;
}

function pathOf(machine) {
  return machine === ALL ? '/v1/settings' : `/v1/machines/${encodeURIComponent(machine)}/settings`;
}

async function load() {
  const machine = scope();
  byId('scope').value = machine;
  clearProblems(byId('settings-form'));
  byId('page-problem').hidden = true;
  try {
    const { body, etag } = await ask('GET', pathOf(machine));
    if (scope() === machine) show(machine, body, etag);
  } catch (problem) {
    fail(problem);
  }
}

function show(machine, values, etag) {
  for (const part of document.querySelectorAll('.installation-only')) part.hidden = machine !== ALL;
  byId('scope-explained').textContent =
    machine === ALL
      ? 'These hold for every machine for which nothing else is set.'
      : 'What is not set for this machine is as for all machines.';
  const used = settings.filter(({ installationOnly }) => machine === ALL || installationOnly !== true);
  for (const setting of used) setting.show(valueAt(values, setting.path));
  // What was shown is read once, so that how a value is written makes no change of it.
  const before = new Map(used.map((setting) => [setting.path, JSON.stringify(setting.read())]));
  shown = { machine, etag, used, before };
  badges.show(new Set(values.overrides), machine === ALL);
  showPending(values.blockStreamChange ?? null, pathOf(machine), () => shown?.machine === machine);
  noteChanges();
}

/** What is changed; to `undefined`: to whatever holds without it. Throws a `Problem` of a field. */
function differences() {
  return shown.used.flatMap(({ path, read }) => {
    const from = JSON.parse(shown.before.get(path));
    if (badges.isReset(path)) return [{ setting: path, from, to: undefined }];
    const to = read();
    return JSON.stringify(to) === shown.before.get(path) ? [] : [{ setting: path, from, to }];
  });
}

/** Of a PATCH. */
function bodyOf(changes) {
  const body = {};
  for (const { setting, to } of changes) put(body, setting, to === undefined ? null : to);
  return body;
}

function noteChanges() {
  if (shown === null) return;
  const changed = shown.used.filter(({ path, read }) => badges.isReset(path) || isChanged(path, read));
  badges.note(new Set(changed.map(({ path }) => path)));
  const count = changed.length;
  if (count > 0) saved = false;
  byId('changes').textContent = changesText(count);
  byId('review').disabled = count === 0;
  byId('discard').disabled = count === 0;
}

function changesText(count) {
  if (count === 0) return saved ? 'Saved. Nothing is changed.' : 'Nothing is changed.';
  return count === 1 ? 'One setting is changed.' : `${count} settings are changed.`;
}

function isChanged(path, read) {
  try {
    return JSON.stringify(read()) !== shown.before.get(path);
  } catch {
    return true; // What cannot be read was typed; the review says what is wrong with it.
  }
}

async function review() {
  const form = byId('settings-form');
  clearProblems(form);
  byId('page-problem').hidden = true;
  const { machine, etag } = shown;
  byId('review').disabled = true;
  try {
    const changes = differences();
    const body = bodyOf(changes);
    const path = pathOf(machine);
    const { body: preview } = await ask('PATCH', `${path}?dryRun=true`, { body });
    if (!(await confirmChange(changes, preview))) return;
    await ask('PATCH', path, { body, etag });
    await load();
    saved = true;
  } catch (problem) {
    fail(problem);
  } finally {
    noteChanges();
  }
}

function fail(problem) {
  if (!('status' in problem)) throw problem; // A mistake in the console itself.
  if (problem.status === 401) {
    onSignedOut(problem);
    return;
  }
  if (problem.status === 412) {
    const reload = element('button', { type: 'button', className: 'quiet' }, 'Show the present settings');
    reload.addEventListener('click', () => void load());
    showAbove(
      byId('page-problem'),
      {
        message: 'Somebody else has changed these settings meanwhile; nothing of yours was saved',
        field: null,
        action: null,
      },
      reload,
    );
    reload.focus();
    return;
  }
  if (!showAtField(byId('settings-form'), problem)) showAbove(byId('page-problem'), problem);
}

function valueAt(values, path) {
  return path.split('.').reduce((value, name) => value?.[name] ?? null, values);
}

function put(body, path, value) {
  const names = path.split('.');
  const last = names.pop();
  let place = body;
  for (const name of names) place = place[name] ??= {};
  place[last] = value;
}
