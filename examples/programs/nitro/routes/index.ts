export default eventHandler(() => 'hello\n');
