// Addresses of port 1500 that the agent is not told yet: the old ones stay until it reaches a new one.
import { ask } from '../api.js';
import { byId, element } from '../dom.js';
import { instantWords } from './words.js';

const POLL_MILLISECONDS = 5_000;
let timer = null;

/** `isShown`: whether these are still the settings on the page. */
export function showPending(pending, path, isShown) {
  clearTimeout(timer);
  const place = byId('pending');
  place.hidden = pending === null;
  if (pending === null) return;
  const next =
    pending.nextCheckAt === null
      ? 'A check is under way.'
      : `The next check is at ${instantWords(pending.nextCheckAt)}.`;
  place.replaceChildren(
    element(
      'p',
      {},
      element('strong', {}, 'The connection to port 1500 has not been changed yet.'),
      ` ${pending.reason.replace(/[.]?$/, '.')}`,
    ),
    element(
      'p',
      {},
      `Since ${instantWords(pending.since)}. ${next} Until then replication goes on by the addresses of before.`,
    ),
  );
  timer = setTimeout(() => void poll(path, isShown), POLL_MILLISECONDS);
}

async function poll(path, isShown) {
  if (!isShown() || byId('settings').hidden) return;
  try {
    const { body } = await ask('GET', path);
    if (isShown()) showPending(body.blockStreamChange ?? null, path, isShown);
  } catch {
    // What is shown stays, and is asked for again.
    timer = setTimeout(() => void poll(path, isShown), POLL_MILLISECONDS);
  }
}
