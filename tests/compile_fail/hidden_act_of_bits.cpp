// SPDX-License-Identifier: Apache-2.0
// expect: lowbit: thresholds stand for gelu before activation::sign
#include "lowbit/nn/encoder_layer.hpp"

struct one_bit : lowbit::policy::bibert {
#if defined(BAD)
  using hidden_act = lowbit::tanh_activation;
#endif
};

using layer = lowbit::encoder_layer<one_bit, lowbit::scalar>;
void run(const layer& l, layer::workspace<false>& w, const lowbit::query_blocks& blocks) {
  lowbit::serial executor;
  lowbit::no_observer observer;
  l.run(w, blocks, w.sink(), executor, observer);
}
