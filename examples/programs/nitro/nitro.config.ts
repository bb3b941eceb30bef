export default { srcDir: '.', compatibilityDate: '2026-11-01' };
