import { z } from 'zod';
import { Instant, Pem, Sha256Hex, TokenId } from './values.ts';

/** `sha256` is of the certificate's DER: the `caSha256` of the command line. */
export const CertificateAuthorityAnswer = z.object({ certificatePem: Pem, sha256: Sha256Hex });
export type CertificateAuthorityAnswer = z.infer<typeof CertificateAuthorityAnswer>;

export const HealthAnswer = z.object({ healthy: z.boolean() });
export type HealthAnswer = z.infer<typeof HealthAnswer>;

/** A JWT signed with the caller's own key, certificate chain in `x5c`; see `makeAssertion` of @lms/identity. */
export const AccessTokenRequest = z.object({ assertion: z.string().min(1).max(32_768) });
export type AccessTokenRequest = z.infer<typeof AccessTokenRequest>;
export const AccessTokenAnswer = z.object({ accessToken: z.string(), expiresAt: Instant });
export type AccessTokenAnswer = z.infer<typeof AccessTokenAnswer>;

export const RenewCertificateRequest = z.object({ csrPem: Pem });
export type RenewCertificateRequest = z.infer<typeof RenewCertificateRequest>;
export const RenewCertificateAnswer = z.object({ certificatePem: Pem });
export type RenewCertificateAnswer = z.infer<typeof RenewCertificateAnswer>;

export const JoinTokenSecret = z.string().min(1).max(256);

const joinTokenShape = {
  id: TokenId,
  name: z.string().nullable(),
  uses: z.int(),
  usesLeft: z.int(),
  createdAt: Instant,
  expiresAt: Instant,
  revoked: z.boolean(),
};
export const JoinToken = z.object(joinTokenShape);
export type JoinToken = z.infer<typeof JoinToken>;
export const JoinTokenPage = z.object({ tokens: z.array(JoinToken), nextPageToken: z.string().nullable() });
export type JoinTokenPage = z.infer<typeof JoinTokenPage>;

export const CreateTokenRequest = z.strictObject({
  uses: z.int().min(1).max(100_000).default(1),
  expiresInSeconds: z
    .int()
    .min(1)
    .max(31 * 86_400)
    .default(3_600),
  name: z.string().max(128).optional(),
});
export type CreateTokenRequest = z.input<typeof CreateTokenRequest>;

/** `token` is shown this once. */
export const CreateTokenAnswer = z.object({
  ...joinTokenShape,
  token: z.string(),
  caSha256: Sha256Hex,
  managerUrl: z.string(),
  installCommand: z.string(),
});
export type CreateTokenAnswer = z.infer<typeof CreateTokenAnswer>;
