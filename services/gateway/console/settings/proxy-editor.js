// Route via a proxy. The password can be given and taken away, and is never shown.
import { byId } from '../dom.js';
import { fieldProblem } from '../problems.js';

export function proxyEditor() {
  const used = byId('proxy-used');
  const details = byId('proxy-details');
  const scheme = byId('proxy-scheme');
  const host = byId('proxy-host');
  const user = byId('proxy-user');
  const password = byId('proxy-password');
  const withoutPassword = byId('proxy-without-password');
  const exceptions = byId('proxy-exceptions');
  const ca = byId('proxy-ca');
  const reveal = () => {
    details.hidden = !used.checked;
    password.disabled = withoutPassword.checked;
  };
  used.addEventListener('change', reveal);
  withoutPassword.addEventListener('change', reveal);

  /** Whoever pastes a whole URL into the field means it whole. */
  host.addEventListener('change', () => {
    const [, pasted, rest] = /^(https?:\/\/)(.*)$/i.exec(host.value.trim()) ?? [];
    if (pasted === undefined) return;
    scheme.value = pasted.toLowerCase();
    host.value = rest;
  });

  return {
    show: (value) => {
      used.checked = value !== null;
      const [, shownScheme = 'https://', rest = ''] = /^(https?:\/\/)(.*?)\/?$/.exec(value?.url ?? '') ?? [];
      scheme.value = shownScheme;
      host.value = rest;
      user.value = value?.username ?? '';
      password.value = '';
      password.placeholder = value?.passwordSet === true ? 'one is set; empty keeps it' : '';
      withoutPassword.checked = false;
      byId('proxy-password-removal').hidden = value?.passwordSet !== true;
      exceptions.value = (value?.noProxy ?? []).join(', ');
      ca.value = value?.caPem ?? '';
      reveal();
    },
    read: () => {
      if (!used.checked) return null;
      if (host.value.trim() === '') throw fieldProblem('stagingProxy.url', 'The address of the proxy is missing');
      const value = {
        url: `${scheme.value}${host.value.trim()}`,
        username: emptyIsNull(user.value.trim()),
        noProxy: exceptions.value.split(/[\s,]+/).filter((entry) => entry !== ''),
        caPem: emptyIsNull(ca.value.trim() === '' ? '' : `${ca.value.trim()}\n`),
      };
      if (withoutPassword.checked) return { ...value, password: null };
      return password.value === '' ? value : { ...value, password: password.value };
    },
  };
}

function emptyIsNull(text) {
  return text === '' ? null : text;
}
