/** A refusal of the API server as our own error: which object, what the server said, and what to do about it. */
import { ApiException } from '@kubernetes/client-node';
import { LmsError, toLmsError, type ErrorCode } from '@lms/errors';
import { z } from 'zod';

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  // Of a creation: it is there already; of a replacement: it was changed since. Both: look again.
  409: 'ABORTED',
  422: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
};

const ACTIONS: Partial<Record<ErrorCode, string>> = {
  UNAUTHENTICATED: 'The credentials of KUBECONFIG or of the service account are not accepted.',
  PERMISSION_DENIED:
    'The chart grants this by a Role; where it may not (rbac.create: false), bind one, or make the Secrets beforehand.',
};

const STATUS = z.object({ message: z.string() });

export function fromApi(thrown: unknown, what: string): LmsError {
  if (!(thrown instanceof ApiException)) {
    const error = toLmsError(thrown);
    const code = error.code === 'INTERNAL' ? 'UNAVAILABLE' : error.code;
    return new LmsError(code, `${what}: the API server cannot be reached: ${rootMessage(thrown)}`, { cause: thrown });
  }
  const code = CODES[thrown.code] ?? (thrown.code >= 500 ? 'UNAVAILABLE' : 'INTERNAL');
  const action = ACTIONS[code];
  return new LmsError(code, `${what}: ${messageOf(thrown.body)}`, {
    cause: thrown,
    ...(action !== undefined && { action }),
  });
}

export function isMissing(thrown: unknown): boolean {
  return thrown instanceof ApiException && thrown.code === 404;
}

/** The generated client hands the body on as text. */
function messageOf(body: unknown): string {
  const document = typeof body === 'string' ? parseOrNull(body) : body;
  const parsed = STATUS.safeParse(document);
  return parsed.success ? parsed.data.message : String(body).slice(0, 500);
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** `fetch failed` says nothing; its cause does. */
function rootMessage(thrown: unknown): string {
  let error = thrown;
  while (error instanceof Error && error.cause instanceof Error) error = error.cause;
  return error instanceof Error ? error.message : String(error);
}
