// The settings of the page, each with how it is shown and read. A setting is changed when what is read differs from what was shown.
import { bandwidthEditor } from './bandwidth-editor.js';
import { proxyEditor } from './proxy-editor.js';
import { retentionEditor } from './retention-editor.js';
import { byId } from '../dom.js';
import { fieldProblem } from '../problems.js';

/** `path`: of the value in the answers and changes of the manager. */
export function pageSettings() {
  return [
    { path: 'stagingProxy', installationOnly: true, ...proxyEditor() },
    { path: 'blockStream.use', ...choice('use') },
    { path: 'blockStream.private', ...address('private') },
    { path: 'blockStream.public', ...address('public') },
    { path: 'bandwidth', ...bandwidthEditor(byId('machine-bandwidth'), 'bandwidth') },
    {
      path: 'replicationServerBandwidth',
      installationOnly: true,
      ...bandwidthEditor(byId('server-bandwidth'), 'replicationServerBandwidth'),
    },
    { path: 'pointIntervalSeconds', ...seconds('point-interval', 'pointIntervalSeconds') },
    { path: 'freezing', ...tick('freezing') },
    { path: 'freezeIntervalSeconds', ...seconds('freeze-interval', 'freezeIntervalSeconds') },
    { path: 'compression', ...selection('compression') },
    { path: 'retention', ...retentionEditor(byId('retention'), 'retention') },
  ];
}

/** Empty: null. */
export function wholeNumber(text, field, what) {
  const trimmed = text.trim();
  if (trimmed === '') return null;
  if (!/^\d{1,15}$/.test(trimmed)) throw fieldProblem(field, `${what} must be a whole number`);
  return Number(trimmed);
}

function seconds(id, field) {
  const input = byId(id);
  return {
    show: (value) => {
      input.value = String(value);
    },
    read: () => {
      const value = wholeNumber(input.value, field, 'The time');
      if (value === null) throw fieldProblem(field, 'The time is missing');
      return value;
    },
  };
}

function tick(id) {
  const box = byId(id);
  return {
    show: (value) => {
      box.checked = value;
    },
    read: () => box.checked,
  };
}

function selection(id) {
  const select = byId(id);
  return {
    show: (value) => {
      select.value = value;
    },
    read: () => select.value,
  };
}

function choice(name) {
  const radios = () => [...document.querySelectorAll(`input[name="${name}"]`)];
  return {
    show: (value) => {
      for (const radio of radios()) radio.checked = radio.value === value;
    },
    read: () => radios().find((radio) => radio.checked)?.value ?? null,
  };
}

/** Without a host it is the address that the installation found. */
function address(kind) {
  const host = byId(`${kind}-host`);
  const port = byId(`${kind}-port`);
  const field = `blockStream.${kind}`;
  return {
    show: (value) => {
      host.value = value?.host ?? '';
      port.value = value?.port ?? '';
    },
    read: () => {
      const number = wholeNumber(port.value, `${field}.port`, 'The port');
      if (host.value.trim() !== '') return { host: host.value.trim(), port: number };
      if (number !== null) throw fieldProblem(`${field}.host`, 'A port needs an address');
      return null;
    },
  };
}
