/** Certificates of services under an internal CA that is made for one test. */
import { CertificateAuthority } from '@lms/identity';
import { componentServerName, type TlsMaterial } from '@lms/rpc';

export class TestAuthority {
  readonly #authority: CertificateAuthority;

  private constructor(authority: CertificateAuthority) {
    this.#authority = authority;
  }

  static async create(): Promise<TestAuthority> {
    return new TestAuthority(await CertificateAuthority.open(await CertificateAuthority.create()));
  }

  get authority(): CertificateAuthority {
    return this.#authority;
  }

  async service(component: string): Promise<TlsMaterial> {
    const issued = await this.#authority.issueService(component, [componentServerName(component)]);
    return { caPem: this.#authority.certificatePem, ...issued };
  }
}
