/** The agent as one file that a machine with nothing on it can run: making it, and folders of such files. */
export { ensurePackage, type PackageOptions } from './build-package.ts';
export { packAside } from './pack-aside.ts';
export { readPackageIndex, AgentPackage } from './package-index.ts';
export { ownPlatform, PLATFORMS, type Platform } from './platform.ts';
export { installedParts, type PlatformParts } from './platform-parts.ts';
