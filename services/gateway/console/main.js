// Who is signed in sees the settings; who is not, the sign-in.
import { ask } from './api.js';
import { byId } from './dom.js';
import { showSignIn } from './sign-in.js';
import { openSettings } from './settings/page.js';

async function start() {
  try {
    const { body } = await ask('GET', '/v1/session');
    await enter(body);
  } catch (problem) {
    leave(problem.status === 401 ? null : problem);
  }
}

async function enter(session) {
  byId('account-name').textContent = session.name;
  byId('account').hidden = false;
  byId('sign-in').hidden = true;
  byId('settings').hidden = false;
  await openSettings({ onSignedOut: leave });
}

/** `problem`: why, when it was not asked for. */
function leave(problem) {
  byId('account').hidden = true;
  byId('settings').hidden = true;
  const preview = byId('preview');
  if (preview.open) preview.close();
  showSignIn(problem, enter);
}

byId('sign-out').addEventListener('click', () => {
  void ask('DELETE', '/v1/session').then(
    () => leave(null),
    (problem) => leave(problem),
  );
});

void start();
