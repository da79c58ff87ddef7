import { CosmosClient } from '@azure/cosmos';
import { expect, test } from '@jest/globals';
import { cosmosTarget } from '../target.ts';

test('what is created is read back, and is gone once it is deleted', async () => {
  const client = new CosmosClient({ ...cosmosTarget() });
  const { database } = await client.databases.create({ id: `conformance-${Date.now()}` });
  try {
    const { container } = await database.containers.create({ id: 'items', partitionKey: '/pk' });
    await container.items.create({ id: 'a', pk: 'p', value: 1 });
    const item = container.item('a', 'p');
    expect((await item.read()).resource).toMatchObject({ id: 'a', pk: 'p', value: 1 });
    await item.delete();
    expect((await item.read()).statusCode).toBe(404);
  } finally {
    await database.delete();
    client.dispose();
  }
});
