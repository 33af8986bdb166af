/** @peculiar/x509 needs a reflection polyfill loaded before it, and to be told whose WebCrypto to use: here, once. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto as Crypto);

export { x509 };
