/** Who is who: the manager's CA, the certificates under it, and how their holders prove it on 443. */
export {
  ASSERTION_LIFE_SECONDS,
  CLOCK_TOLERANCE_SECONDS,
  checkCertificate,
  makeAssertion,
  verifyAssertion,
  type AssertedIdentity,
  type AssertionChecker,
  type AssertionMaker,
} from './assertion.ts';
export { CERTIFICATE_LIFE_MILLISECONDS, CertificateAuthority, type AuthorityFiles } from './authority.ts';
export { alternativeNames, certificateSha256, parseCertificate, renewalInstant } from './certificate.ts';
export { createCertificateRequest, createPrivateKeyPem, parsePrivateKey, verifyCertificateRequest } from './keys.ts';
export { explainRefusal, type ExplainedRefusal } from './explain-refusal.ts';
export {
  ANY_BLOCK_STREAM_SERVER_NAME,
  NOBODYS_BLOCK_STREAM_SERVER_NAME,
  blockStreamServerName,
  machineOfServerName,
} from './server-names.ts';
export { ReplayCache } from './replay-cache.ts';
export { IDENTITY_KINDS, formatIdentity, parseIdentity, type Identity, type IdentityKind } from './spiffe.ts';
