// Exchanges an API token for a cookie. The token is in the page only while it is typed.
import { ask } from './api.js';
import { byId } from './dom.js';
import { clearProblems, fieldProblem, showAtField } from './problems.js';

/** `problem`: why somebody who was signed in is not any more; null: nothing to say. */
export function showSignIn(problem, onSignedIn) {
  const form = byId('sign-in');
  const input = byId('api-token');
  const show = (shown) => showAtField(form, { ...shown, message: shown.message, field: 'apiToken' });
  form.hidden = false;
  clearProblems(form);
  input.value = '';
  input.focus();
  if (problem !== null) show(problem);
  form.onsubmit = (event) => {
    event.preventDefault();
    clearProblems(form);
    const apiToken = input.value.trim();
    if (apiToken === '') {
      show(fieldProblem('apiToken', 'The API token is missing'));
      return;
    }
    void ask('POST', '/v1/session', { body: { apiToken } }).then(
      ({ body }) => {
        input.value = '';
        return onSignedIn(body);
      },
      (refused) => show(refused),
    );
  };
}
