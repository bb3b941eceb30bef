import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';

const server = new ApolloServer({
  typeDefs: 'type Query { hello: String }',
  resolvers: { Query: { hello: () => 'hello' } },
  csrfPrevention: false,
});
await startStandaloneServer(server, { listen: { port: Number(process.env.PORT ?? 8080) } });
