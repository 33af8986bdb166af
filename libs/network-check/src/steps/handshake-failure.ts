/** What an error during a TLS handshake says about the other end. */
import type { CheckReason } from '../report/reasons.ts';
import { StepFailure } from '../report/step-failure.ts';

/** The first that matches is meant. */
const KINDS: readonly { readonly pattern: RegExp; readonly reason: CheckReason; readonly words: string }[] = [
  {
    pattern:
      /ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE|VERSION_TOO_LOW|HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY|NO_SHARED_CIPHER|NO_CIPHERS/,
    reason: 'TLS_VERSION',
    words: 'has no version or cipher of TLS in common with us',
  },
  {
    pattern: /NO_APPLICATION_PROTOCOL/,
    reason: 'NOT_A_BLOCK_STREAM',
    words: 'does not speak the protocol that was asked for (ALPN)',
  },
  {
    pattern:
      /WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|RECORD_LAYER_FAILURE|UNEXPECTED_MESSAGE|BAD_RECORD_TYPE|RECORD_TYPE/,
    reason: 'TLS_NOT_SPOKEN',
    words: 'answers with something other than TLS',
  },
  {
    pattern: /ALERT_UNRECOGNIZED_NAME|UNRECOGNIZED_NAME/,
    reason: 'TLS_NAME_MISMATCH',
    words: 'knows no certificate for the name that was asked for',
  },
  {
    pattern:
      /ALERT_(?:BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)|CERTIFICATE_REQUIRED/,
    reason: 'CERTIFICATE_NOT_ACCEPTED',
    words: 'does not accept our certificate',
  },
];

export function handshakeFailure(peer: string, thrown: unknown): StepFailure {
  if (thrown instanceof StepFailure) return thrown;
  const { code = '', message, errno } = thrown as NodeJS.ErrnoException;
  const text = `${code} ${message}`.toUpperCase().replaceAll(' ', '_');
  const kind = KINDS.find(({ pattern }) => pattern.test(text));
  if (kind !== undefined) return new StepFailure(kind.reason, `${peer} ${kind.words} (${code || message})`, thrown);
  // An orderly end has the same code, made by Node; a reset comes from the kernel with its number.
  if (errno !== undefined && code === 'ECONNRESET') {
    return new StepFailure('TCP_RESET', `${peer}: the connection was reset as TLS began`, thrown);
  }
  return new StepFailure(
    'TLS_CLOSED',
    `${peer}: the connection was closed during the TLS handshake (${code || message})`,
    thrown,
  );
}
