"""Made-up canaries, their users and rival bundles, for tests of the gate and of the judgement."""
