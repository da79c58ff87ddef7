import { expect, test } from '@jest/globals';
import { functionsHostTarget } from '../target.ts';

const { url } = functionsHostTarget();

test('a route binds its parameters, below /api', async () => {
  expect(await (await fetch(`${url}/api/hello/you`)).text()).toBe('hello you');
  expect((await fetch(`${url}/hello/you`)).status).toBe(404);
});
