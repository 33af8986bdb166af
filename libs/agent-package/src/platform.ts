/** For which machines there are packages, and what these are called. */

export const PLATFORMS = ['linux-x64', 'linux-arm64'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** Of this process; null where no agent runs. */
export function ownPlatform(): Platform | null {
  return PLATFORMS.find((platform) => platform === `${process.platform}-${process.arch}`) ?? null;
}

export function packageFileName(version: string, platform: Platform): string {
  return `live-migration-agent-${version}-${platform}.tar.gz`;
}
