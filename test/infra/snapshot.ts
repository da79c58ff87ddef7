/** The evaluated deployment of a profile, as the Bicep compiler wrote it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { PROFILES } from '../../scripts/infra.ts';

/** One resource with its properties evaluated, as far as they are known before a deployment. */
export interface Resource {
  id: string;
  type: string;
  name: string;
  apiVersion: string;
  location?: string;
  sku?: { name: string };
  kind?: string;
  tags?: Record<string, string>;
  properties?: Record<string, unknown>;
}

/** Reads the committed snapshot of a profile. */
export function readSnapshot(profile: (typeof PROFILES)[number]): Resource[] {
  return readSnapshotFile(fileURLToPath(new URL(`../../infra/params/${profile}.snapshot.json`, import.meta.url)));
}

/** Reads a snapshot. */
export function readSnapshotFile(file: string): Resource[] {
  return (JSON.parse(readFileSync(file, 'utf8')) as { predictedResources: Resource[] }).predictedResources;
}

/** Resources of a type, any case. */
export function ofType(resources: Resource[], type: string): Resource[] {
  return resources.filter((resource) => resource.type.toLowerCase() === type.toLowerCase());
}

/** The only resource of a type. */
export function only(resources: Resource[], type: string): Resource {
  const [resource, ...more] = ofType(resources, type);
  if (!resource || more.length > 0)
    throw new Error(`There are ${more.length + (resource ? 1 : 0)} of ${type}, not one.`);
  return resource;
}
