// SPDX-License-Identifier: Apache-2.0
// lowbit's products: one line of `formats` each. To enter a new product of the kernel table, add a
// line here; it is checked by problem itself, against the scalar reference.
#include "contestants.hpp"

namespace lowbit_bench {
namespace {

struct format {
  const char* name;
  product multiplied;
  ending end;
};
constexpr format formats[] = {
    {"lowbit f32", product::f32, ending::plain},
    {"lowbit b1s to bits", product::b1s, ending::bits},
    {"lowbit b1s to floats", product::b1s, ending::floats},
};

}  // namespace

void add_lowbit(const product_context& context, std::vector<contestant>& entries) {
  for (const format& f : formats) {
    const auto work = std::make_shared<problem>(f.multiplied, context.shape);
    work->pack_for(context.table);
    entries.push_back(
        {f.name, [work, &f] { work->run(f.end); }, [work, &f] { return work->check(f.end); }});
  }
}

}  // namespace lowbit_bench
