/**
 * The password of the staging proxy must be given to replication servers as it is, so a hash does not do. It is sealed with
 * a key that follows from the CA's: who has the state or a backup of it has no password.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { LmsError } from '@lms/errors';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class PasswordSeal {
  readonly #key: Uint8Array;

  /** `secret`: at least 32 bytes that nobody but the registry has. */
  constructor(secret: Uint8Array) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), 'lms staging proxy password', KEY_BYTES));
  }

  /** Base64: nonce, tag, content. */
  seal(password: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce);
    const content = Buffer.concat([cipher.update(password, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), content]).toString('base64');
  }

  /** DATA_LOSS when it was sealed with another key, or changed. */
  open(sealed: string): string {
    const bytes = Buffer.from(sealed, 'base64');
    const content = bytes.subarray(NONCE_BYTES + TAG_BYTES);
    try {
      const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      return Buffer.concat([decipher.update(content), decipher.final()]).toString('utf8');
    } catch (thrown) {
      throw new LmsError('DATA_LOSS', 'the stored password of the staging proxy cannot be opened', {
        action: 'Set it again: the CA has another key than when it was set.',
        cause: thrown,
      });
    }
  }
}
