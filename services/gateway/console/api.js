// The manager's own interface, as the console uses it. The cookie goes along by itself.

/** What the manager refused, or that it could not be asked. */
export class Problem extends Error {
  /** `field`: of the body, such as `bandwidth.schedule[0].to`; null: none. `status`: 0 when there was no answer. */
  constructor({ status, detail, field = null, action = null }) {
    super(detail);
    this.status = status;
    this.field = field;
    this.action = action;
  }
}

const TIMEOUT_MILLISECONDS = 30_000;

/** Returns the answer's body and its ETag. Throws a `Problem`. */
export async function ask(method, path, { body, etag } = {}) {
  // A page of another site cannot set this header: the manager takes no change without it.
  const headers = { accept: 'application/json', 'lms-console': '1' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (etag !== undefined && etag !== null) headers['if-match'] = etag;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
    });
  } catch {
    throw new Problem({ status: 0, detail: 'The manager does not answer.', action: 'Try again in a moment.' });
  }
  const text = await response.text();
  const answer = parse(text);
  if (!response.ok) throw new Problem({ status: response.status, ...problemOf(answer, response.status) });
  return { body: answer, etag: response.headers.get('etag') };
}

function parse(text) {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return {};
  }
}

function problemOf(answer, status) {
  const { detail = `The manager answered with status ${status}.`, field, action } = answer;
  return { detail, field: field ?? null, action: action ?? null };
}
