// skaffold.yaml names things of three others: Skaffold's own schema, the Dockerfile and the chart. Each can change without it.

import { beforeAll, describe, expect, it } from '@jest/globals';
import { hasKey, leafKeys, readValues } from './chart-values.ts';
import { readServiceTargets } from './dockerfile.ts';
import { imageReference, renderChart, type BuiltImage, type RenderedChart } from './rendered-chart.ts';
import { applyProfile, findSchemaErrors, readSkaffoldDocument, type SkaffoldFile } from './skaffold-file.ts';

let document: unknown;
let file: SkaffoldFile;

beforeAll(async () => {
  document = await readSkaffoldDocument();
  file = document as SkaffoldFile;
});

/** As after a build that is loaded into a node: each image has its own identity for a tag. */
function loadedImages(): Map<string, BuiltImage> {
  return new Map(
    file.build.artifacts.map(({ image }, index) => [
      image,
      { repository: image, tag: `a${index}`.padEnd(64, '0'), digest: '' },
    ]),
  );
}

/** As after a push: the registry has given a digest, and its name stands in front. */
function pushedImages(): Map<string, BuiltImage> {
  return new Map(
    file.build.artifacts.map(({ image }, index) => [
      image,
      { repository: `registry.test/team/${image}`, tag: 'v1', digest: `sha256:${`b${index}`.padEnd(64, '0')}` },
    ]),
  );
}

function expectImages({ images }: RenderedChart, built: ReadonlyMap<string, BuiltImage>): void {
  expect([...images].toSorted()).toEqual([...built.values()].map(imageReference).toSorted());
}

describe('skaffold.yaml', () => {
  it("is valid by Skaffold's schema", async () => {
    expect(await findSchemaErrors(document)).toEqual([]);
  });

  it('is refused by that schema with a field that Skaffold does not know', async () => {
    const errors = await findSchemaErrors({ ...file, portForward: [{ ...file.portForward[0], localport: 1 }] });
    expect(errors).not.toEqual([]);
  });

  it('builds every service target of the Dockerfile, and only what is there', async () => {
    const [dockerfile, ...others] = new Set(file.build.artifacts.map(({ docker }) => docker.dockerfile));
    expect(others).toEqual([]);
    const built = file.build.artifacts.map(({ docker }) => docker.target);
    expect(built.toSorted()).toEqual((await readServiceTargets(dockerfile ?? '')).toSorted());
  });

  it('calls each image as the chart does by itself', () => {
    for (const { image, docker } of file.build.artifacts) expect(image).toBe(`live-migration-service/${docker.target}`);
  });

  it('sets only values that the chart has', async () => {
    const [release] = file.deploy.helm.releases;
    const chart = await readValues(`${release.chartPath}/values.yaml`);
    const files = await Promise.all(release.valuesFiles.map(readValues));
    const profiles = file.profiles.map(({ name }) => applyProfile(file, name).deploy.helm.releases[0].setValues ?? {});
    const keys = [
      ...files.flatMap((values) => leafKeys(values)),
      ...Object.keys(release.setValueTemplates),
      ...profiles.flatMap((values) => Object.keys(values)),
    ];
    expect(keys.filter((key) => !hasKey(chart, key))).toEqual([]);
  });

  it('has every image of the chart, and no other, from its own build: loaded into a node', async () => {
    const built = loadedImages();
    expectImages(await renderChart(file, built), built);
  });

  it('has every image of the chart, and no other, from its own build: pushed to a registry', async () => {
    const built = pushedImages();
    expectImages(await renderChart(file, built), built);
  });

  it('forwards ports that Services of the chart have, each to a port of its own', async () => {
    const { manifests } = await renderChart(file, loadedImages());
    for (const { resourceType, resourceName, namespace, port } of file.portForward) {
      const resource = manifests.find(
        ({ kind, metadata }) => kind.toLowerCase() === resourceType && metadata.name === resourceName,
      );
      const ports = (resource?.spec?.['ports'] ?? []) as readonly { readonly port: number }[];
      expect(ports.map((entry) => entry.port)).toContain(port);
      expect(namespace).toBe(file.deploy.helm.releases[0].namespace);
    }
    expect(new Set(file.portForward.map(({ localPort }) => localPort)).size).toBe(file.portForward.length);
  });

  it('tells agents and operators the address that is forwarded', async () => {
    const { manifests } = await renderChart(file, loadedImages(), { LMS_DEV_HOST: '192.0.2.1' });
    const told = JSON.stringify(manifests);
    const gateway = file.portForward.find(({ port }) => port === 443);
    expect(told).toContain(`https://192.0.2.1:${gateway?.localPort}`);
    const router = file.portForward.find(({ port }) => port === 1500);
    // What agents are told of 1500 is always that of the Service.
    expect(router?.localPort).toBe(1500);
  });

  it('runs one of everything', async () => {
    const { manifests } = await renderChart(file, loadedImages());
    const replicated = manifests.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');
    expect(replicated.length).toBeGreaterThan(0);
    for (const { metadata, spec } of replicated)
      expect([metadata.name, spec?.['replicas'] ?? 1]).toEqual([metadata.name, 1]);
  });

  it('is installable with each profile', async () => {
    for (const { name } of file.profiles) {
      const profile = applyProfile(file, name);
      expect(await findSchemaErrors(profile)).toEqual([]);
      const { manifests } = await renderChart(profile, loadedImages());
      const storageClass = profile.deploy.helm.releases[0].setValues?.['nats.persistence.storageClassName'];
      if (storageClass !== undefined)
        expect(JSON.stringify(manifests)).toContain(`"storageClassName":"${storageClass}"`);
    }
  });
});
