/** Mutual TLS for both ends; from files where the certificates come from files, so that renewed ones are used. */
import { ChannelCredentials, experimental, ServerCredentials } from '@grpc/grpc-js';
import { CertificateFiles } from './certificate-files.ts';
import type { TlsMaterial } from './tls-material.ts';

export function serverCredentials(tls: TlsMaterial): ServerCredentials {
  const { caPem, certificatePem, privateKeyPem, files } = tls;
  if (files !== undefined) {
    const provider = new CertificateFiles(tls, files);
    return experimental.createCertificateProviderServerCredentials(provider, provider, true);
  }
  return ServerCredentials.createSsl(
    Buffer.from(caPem),
    [{ private_key: Buffer.from(privateKeyPem), cert_chain: Buffer.from(certificatePem) }],
    true,
  );
}

export function channelCredentials(tls: TlsMaterial): ChannelCredentials {
  const { caPem, certificatePem, privateKeyPem, files } = tls;
  if (files !== undefined) {
    const provider = new CertificateFiles(tls, files);
    return experimental.createCertificateProviderChannelCredentials(provider, provider);
  }
  return ChannelCredentials.createSsl(Buffer.from(caPem), Buffer.from(privateKeyPem), Buffer.from(certificatePem));
}
